// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// Paths of the generated files inside the payload, relative to the node's root.
const (
	nodeEnvPath = "etc/capom/node.env"
	volumesPath = "etc/capom/volumes"
	// authKeyPath lies in a tmpfs: the key is never in the file system, and a reboot forgets it.
	authKeyPath = "run/capom/join/auth-key"
)

const (
	scriptsDir   = "usr/local/sbin"
	libraryDir   = "usr/local/lib/capom"
	entryScript  = "node/entry.sh"
	markerPrefix = "__CAPOM_"
	fileMarker   = markerPrefix + "FILE__"
	endMarker    = markerPrefix + "END__"
	maxPayload   = 4 << 20
)

// nodeFiles are the scripts and units as they lie in the repository: those of every machine below
// node, the agent that changes versions in place below agent, and the one that finds API servers
// below members.
//
//go:embed node agent members
var nodeFiles embed.FS

// roots are the folders of nodeFiles, with the agent that each is; that of every machine is none.
var roots = map[string]Agent{"node": "", "agent": UpdateAgent, "members": MembersAgent}

// fileOrder is that of the files in the node script. What has text in common stands close together:
// gzip looks back over 32 KB, and these are more. It saves 290 bytes against the order of lengths.
var fileOrder = slices.Concat(
	[]string{authKeyPath},
	inFolder("etc/systemd/system/", "capom-join.service", "capom-routes.service"),
	inFolder("etc/", "systemd/networkd.conf.d/90-capom.conf", "modules-load.d/capom.conf", "NetworkManager/conf.d/90-capom.conf", "sysctl.d/90-capom.conf"),
	inFolder("usr/local/", "lib/capom/advertise.awk", "sbin/capom-host"),
	inFolder("etc/systemd/system/", "capom-members.service", "capom-update.service", "capom-guard.service", "tailscaled.service.d/20-capom.conf",
		"kubelet.service.d/20-capom.conf"),
	[]string{volumesPath, "etc/systemd/system/kubelet.service.d/30-capom-update.conf", nodeEnvPath},
	inFolder("usr/local/sbin/", "capom-node", "capom-kubeadm", "capom-kubelet", "capom-join", "capom-routes", "capom-guard", "capom-members", "capom-volumes"),
	[]string{libraryDir + "/lib.sh"},
	inFolder("usr/local/sbin/", "capom-install", "capom-grow", "capom-update"),
)

func inFolder(folder string, names ...string) []string {
	paths := make([]string, 0, len(names))
	for _, name := range names {
		paths = append(paths, folder+name)
	}
	return paths
}

// file is one entry of the payload.
type file struct {
	path    string
	mode    int64
	content []byte
}

// installPath says where an embedded file goes: bin to the scripts, lib beside them, etc to /etc.
func installPath(embedded string) (target string, mode int64) {
	_, embedded, _ = strings.Cut(embedded, "/")
	dir, rest, _ := strings.Cut(embedded, "/")
	switch dir {
	case "bin":
		return path.Join(scriptsDir, strings.TrimSuffix(rest, ".sh")), 0o755
	case "lib":
		return path.Join(libraryDir, rest), 0o644
	case "etc":
		return path.Join("etc", rest), 0o644
	}
	return "", 0
}

// machineFiles are the files that differ between machines.
func machineFiles(in Input) []file {
	return []file{
		{path: nodeEnvPath, mode: 0o600, content: marshalEnv(nodeSettings(in))},
		{path: volumesPath, mode: 0o644, content: volumeTable(in.DataVolumes)},
		{path: authKeyPath, mode: 0o600, content: []byte(in.Tailnet.AuthKey + "\n")},
	}
}

// scripts are the files of nodeFiles by the agent that they are of.
var scripts = sync.OnceValues(func() (map[Agent][]file, error) {
	all := map[Agent][]file{}
	for root, agent := range roots {
		err := fs.WalkDir(nodeFiles, root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			target, mode := installPath(name)
			if target == "" {
				return nil
			}
			content, err := nodeFiles.ReadFile(name)
			all[agent] = append(all[agent], file{path: target, mode: mode, content: stripComments(content)})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading the embedded node files: %w", err)
		}
	}
	return all, nil
})

// stripComments drops comment-only lines, except the "#!" line, and the tabs that lines begin with:
// user data has 32,000 bytes, and both are for readers of the repository. No script may rely on
// them, in a here-document for instance.
func stripComments(content []byte) []byte {
	var out strings.Builder
	for line := range strings.Lines(string(content)) {
		line = strings.TrimLeft(line, "\t")
		trimmed := strings.TrimSpace(line)
		comment := strings.HasPrefix(trimmed, "#") && !strings.HasPrefix(line, "#!")
		if !comment && trimmed != "" {
			out.WriteString(line)
		}
	}
	return []byte(out.String())
}

// nodeScript is the shell script run by cloud-init: the entry script, and the files as text. They
// are compressed with all user data: a compressed archive in base64 would take 1,300 bytes more,
// and what tar writes between files 800. Equal input gives equal bytes.
func nodeScript(in Input) ([]byte, error) {
	entry, err := nodeFiles.ReadFile(entryScript)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded entry script: %w", err)
	}
	all, err := scripts()
	if err != nil {
		return nil, err
	}
	files := machineFiles(in)
	for agent, of := range all {
		if in.has(agent) {
			files = append(files, of...)
		}
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Compare(slices.Index(fileOrder, a.path), slices.Index(fileOrder, b.path))
	})
	packed, err := pack(files)
	if err != nil {
		return nil, fmt.Errorf("packing the node files: %w", err)
	}
	return slices.Concat(stripComments(entry), packed, []byte(endMarker+"\n")), nil
}

// pack writes files one after the other, each below a line "__CAPOM_FILE__ MODE PATH". The entry
// script takes them apart by lines, so each ends with one.
func pack(files []file) ([]byte, error) {
	var out bytes.Buffer
	for _, f := range files {
		if len(f.content) > 0 && !bytes.HasSuffix(f.content, []byte("\n")) {
			return nil, fmt.Errorf("%s does not end with a line end", f.path)
		}
		if bytes.Contains(f.content, []byte(markerPrefix)) {
			return nil, fmt.Errorf("%s contains %s", f.path, markerPrefix)
		}
		fmt.Fprintf(&out, "%s %04o %s\n", fileMarker, f.mode, f.path)
		out.Write(f.content)
	}
	return out.Bytes(), nil
}

// unpack reads what follows the entry script.
func unpack(script []byte) (map[string][]byte, error) {
	_, rest, found := strings.Cut(string(script), "\n"+fileMarker+" ")
	if !found {
		return nil, malformed("the node script carries no files")
	}
	rest, found = strings.CutSuffix(rest, "\n"+endMarker+"\n")
	if !found {
		return nil, malformed("the node script is cut short")
	}
	files := map[string][]byte{}
	for entry := range strings.SplitSeq(rest, "\n"+fileMarker+" ") {
		header, content, hasContent := strings.Cut(entry, "\n")
		mode, name, ok := strings.Cut(header, " ")
		if !ok || len(mode) != 4 || name == "" {
			return nil, malformed("a file of the node script has no mode and path")
		}
		if hasContent {
			content += "\n"
		}
		files[name] = []byte(content)
	}
	return files, nil
}

// compressor compresses at one level. Writers are kept, since each takes most of a megabyte, and
// every launch needs several.
type compressor struct{ writers sync.Pool }

// quick takes a fifth of the time of best, and a thirtieth more room.
var quick, best = newCompressor(gzip.DefaultCompression), newCompressor(gzip.BestCompression)

func newCompressor(level int) *compressor {
	return &compressor{sync.Pool{New: func() any {
		// The level is valid, so there is no error.
		writer, _ := gzip.NewWriterLevel(nil, level)
		return writer
	}}}
}

// compress makes one stream of the pieces, each with a code of its own: the letters of keys are
// rare in text and the other way round, and a code for both takes up to 2,400 bytes more.
func (c *compressor) compress(pieces ...[]byte) ([]byte, error) {
	var out bytes.Buffer
	writer := c.writers.Get().(*gzip.Writer)
	defer c.writers.Put(writer)
	writer.Reset(&out)
	for i, piece := range pieces {
		if _, err := writer.Write(piece); err != nil {
			return nil, err
		}
		if i == len(pieces)-1 {
			break
		}
		if err := writer.Flush(); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decompress(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, malformed("not gzip: %v", err)
	}
	plain, err := io.ReadAll(io.LimitReader(reader, maxPayload+1))
	if err != nil {
		return nil, malformed("gzip: %v", err)
	}
	if len(plain) > maxPayload {
		return nil, malformed("more than %d bytes when uncompressed", maxPayload)
	}
	return plain, nil
}
