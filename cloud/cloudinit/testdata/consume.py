# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0
"""Has the installed cloud-init process user data up to the point where it would run scripts.

usage: consume.py USER-DATA DIRECTORY
Prints one JSON object: the parts as cloud-init sees them, the merged cloud-config, and the scripts in the order in
which scripts-user would run them, with the files cc_write_files would write.
"""
import json
import os
import sys

from cloudinit import handlers, helpers, subp, user_data, util
from cloudinit.config import cc_write_files
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.handlers.jinja_template import JinjaTemplatePartHandler
from cloudinit.handlers.shell_script import ShellScriptPartHandler
from cloudinit.settings import PER_INSTANCE

source, directory = sys.argv[1:]


class Source:
    """The least of a data source that Paths asks for."""

    @staticmethod
    def get_instance_id():
        return "ocid1.instance.oc1..test"


paths = helpers.Paths({"cloud_dir": directory, "run_dir": os.path.join(directory, "run")}, ds=Source())
instance = os.path.join(directory, "instances", Source.get_instance_id())
os.makedirs(os.path.join(instance, "scripts"))
os.symlink(instance, os.path.join(directory, "instance"))
os.makedirs(os.path.join(directory, "run"), exist_ok=True)
sensitive = paths.get_runpath("instance_data_sensitive")
util.write_file(sensitive, json.dumps({"ds": {"meta_data": {"instance_id": Source.get_instance_id()}}}))

config = CloudConfigPartHandler(paths)
scripts = ShellScriptPartHandler(paths)
jinja = JinjaTemplatePartHandler(paths, sub_handlers=[config, scripts])
registered = {kind: handler for handler in (config, scripts, jinja) for kind in handler.list_types()}
parts = []


def take(_data, filename, payload, headers):
    parts.append({"type": headers["Content-Type"], "name": filename, "content": payload})
    handler = registered[headers["Content-Type"]]
    handlers.run_part(handler, None, filename, payload, PER_INSTANCE, headers)


handlers.call_begin(config, None, PER_INSTANCE)
with open(source, "rb") as stream:
    message = user_data.UserDataProcessor(paths).process(stream.read())
handlers.walk(message, take, None)
handlers.call_end(config, None, PER_INSTANCE)

merged = util.load_yaml(util.load_file(paths.get_ipath("cloud_config"))) or {}
if "runcmd" in merged:
    util.write_file(os.path.join(instance, "scripts", "runcmd"), util.shellify(merged["runcmd"]), 0o700)
files = {}
for entry in merged.get("write_files", []):
    if not entry.get("path") or util.get_cfg_option_bool(entry, "defer", False):
        continue
    encoding = cc_write_files.canonicalize_extraction(entry.get("encoding"))
    try:
        content = cc_write_files.extract_contents(entry.get("content", ""), encoding)
        util.encode_text(content)
    except Exception:
        # The module ends here, and cloud-init goes on with the next one.
        break
    files[entry["path"]] = content if isinstance(content, str) else content.decode()

ran = []
subp.subp = lambda command, **_: ran.append(os.path.basename(command[0]))
subp.runparts(os.path.join(instance, "scripts"))
print(json.dumps({"parts": parts, "config": merged, "files": files, "order": ran}, default=str))
