// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

// What the stand-ins of an updated node share. The world is in files below "world": the version of
// each package and of what runs, the versions that the repository has, what the Node asks for and
// says. "effect" is called before anything is changed, and is where the node may lose its power.
const updateWorld = `
world=$CAPOM_ROOT/world
effect() {
	echo "$name $*" >>"$world/effects"
	if [ "$(wc -l <"$world/effects")" = "$(cat "$world/dies-at" 2>/dev/null)" ]; then
		kill -KILL "-$(cat "$world/group")"
		kill -KILL 0
	fi
}
`

var updateStubs = map[string]string{
	"curl": `
[ ! -e "$world/no-api" ] || exit 7
reported=$(cat "$world/reported" 2>/dev/null)
case "$*" in
*PATCH*ocimesh-volumes*)
	for data; do case $data in '{"metadata"'*) ;; *) continue ;; esac
		text=${data#*ocimesh-volumes\":\"}
		printf '%s' "${text%%\"*}" >"$world/volumes"
	done ;;
*PATCH*)
	for data; do case $data in '{"metadata"'*) ;; *) continue ;; esac
		effect report
		text=${data#*ocimesh-reported\":\"}
		printf '%s' "${text%%\"*}" | tee -a "$world/reports" >"$world/reported"
		echo >>"$world/reports"
	done ;;
*/nodes/node-1)
	wanted=$(cat "$world/wanted" 2>/dev/null)
	printf '{"metadata":{"name":"node-1","annotations":{"infrastructure.cluster.x-k8s.io/ocimesh-volumes":"%s",' "$(cat "$world/volumes" 2>/dev/null)"
	printf '"infrastructure.cluster.x-k8s.io/ocimesh-wanted-volumes":"%s",' "$(cat "$world/wanted-volumes" 2>/dev/null)"
	printf '"a":"\\"infrastructure.cluster.x-k8s.io/ocimesh-wanted\\": \\"v1.99.0 -\\"",'
	printf '"infrastructure.cluster.x-k8s.io/ocimesh-reported":"%s","infrastructure.cluster.x-k8s.io/ocimesh-wanted": "%s"},' "$reported" "$wanted"
	printf '"managedFields":[{"fieldsV1":{"f:infrastructure.cluster.x-k8s.io/ocimesh-wanted":{}}}]}}' ;;
*kubeadm-config) printf '{"data":{"ClusterConfiguration":"kind: ClusterConfiguration\\nkubernetesVersion: %s\\n"}}' "$(cat "$world/kubeadm-config")" ;;
*/version) printf '{\n  "major": "1",\n  "gitVersion": "%s",\n}' "$(cat "$world/server")" ;;
*/readyz) [ ! -e "$world/alone" ] ;;
esac`,
	"apt-get": `
for word; do case $word in *=*-\*)
	package=${word%%=*} version=${word#*=}
	grep -qx "${version%-\*}" "$world/repository" || { echo "E: Version '$version' for '$package' was not found"; exit 100; }
esac; done
case "$*" in *"install -d "*|*update) exit 0 ;; *install*) effect install ;; esac
for word; do case $word in tailscale=*) echo "${word#*=}" >"$world/tailscale" ;; *=*-\*)
	package=${word%%=*} version=${word#*=}
	echo "v${version%-\*}" >"$world/$package"
esac; done`,
	"dpkg":       `effect configure`,
	"apt-mark":   `effect hold`,
	"dpkg-query": `[ ! -e "$world/no-packages" ]`,
	"kubeadm": `
case "$*" in
"upgrade node phase --help") printf 'Available Commands:\n  addon         Upgrade\n' ;;
"upgrade node"*)
	effect upgrade
	if [ -e "$world/kubeadm-fails" ]; then
		printf 'error: error execution phase control-plane: %s\nTo see the stack trace of this error execute with --v=5 or higher\n' "the \"etcd\" pod" >&2
		exit 1
	fi
	[ "$(cat "$world/kubeadm")" = "$(cat "$world/kubeadm-config")" ] && cp "$world/kubeadm" "$world/pods" ;;
esac`,
	"systemctl": `
case "$*" in
"restart kubelet.service") effect restart; cp "$world/kubelet" "$world/running" ;;
"stop capom-routes.service") effect leave; touch "$world/left" ;;
"start capom-routes.service") rm -f "$world/left" ;;
esac`,
	"openssl": `echo "    commonName                = system:node:node-1"`,
}

// updatedNode runs v1.36.1, with the agent; its repository has the versions up to v1.37.0.
func updatedNode(t *testing.T, change func(*Input)) *testNode {
	t.Helper()
	in := installInput()
	in.Agent = true
	if change != nil {
		change(&in)
	}
	n := newTestNode(t, in)
	for program, fragment := range updateStubs {
		n.stub(program, updateWorld+fragment)
	}
	n.stub("tailscale", updateWorld+`case $1 in
version) cat "$world/tailscale" ;;
status) echo '{ "BackendState": "Running" }' ;;
ip) echo 100.64.0.7 ;;
esac`)
	for name, content := range map[string]string{
		"kubeadm": "v1.36.1", "kubelet": "v1.36.1", "kubectl": "v1.36.1", "running": "v1.36.1", "pods": "v1.36.1",
		"kubeadm-config": "v1.36.2", "server": "v1.36.2", "tailscale": "1.102.3", "effects": "",
		"repository": "1.36.2\n1.36.3\n1.37.0",
	} {
		if content != "" {
			content += "\n"
		}
		n.write("world/"+name, content, 0o644)
	}
	n.write("stubs/sync", stubScript, 0o755)
	n.write("stubs/sleep", "#!/bin/sh\nexec /bin/sleep 0.01\n", 0o755)
	n.write("var/lib/kubelet/pki/kubelet-client-current.pem", "certificate", 0o600)
	// Repositories of the user's own: gpg takes its time.
	n.write("etc/apt/sources.list.d/kubernetes.list", "deb https://mirror.example/ /\n", 0o644)
	n.write("etc/apt/sources.list.d/tailscale.list", "deb https://mirror.example/ /\n", 0o644)
	return n
}

// wants has the Node ask for versions.
func (n *testNode) wants(versions string) { n.write("world/wanted", versions, 0o644) }

func (n *testNode) lacksNothing() {
	n.write("world/repository", "1.36.2\n", 0o644)
	n.write("world/server", "v1.36.2\n", 0o644)
	for _, file := range []string{"no-packages", "alone", "kubeadm-fails"} {
		_ = os.Remove(filepath.Join(n.root, "world", file))
	}
}

func (n *testNode) world(name string) string {
	return strings.TrimSpace(n.read("world/" + name))
}

// round is one of the agent's, in a process group of its own.
func (n *testNode) round() (string, error) {
	cmd := n.command("/bin/sh")
	cmd.Path = "/bin/sh"
	cmd.Args = []string{"sh", "-c", `echo $$ >"$CAPOM_ROOT/world/group"; exec "$CAPOM_ROOT/usr/local/sbin/capom-update"`}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// reboots forgets what a reboot forgets, and starts what is enabled.
func (n *testNode) reboots() {
	n.t.Helper()
	if err := os.RemoveAll(filepath.Join(n.root, "run/capom")); err != nil {
		n.t.Fatal(err)
	}
	n.write("world/running", n.read("world/kubelet"), 0o644)
	_ = os.Remove(filepath.Join(n.root, "world/left"))
	_ = os.Remove(filepath.Join(n.root, "world/dies-at"))
}

func (n *testNode) expectUpdated(g Gomega, kubernetes, tailscale string) {
	for _, name := range []string{"kubeadm", "kubelet", "kubectl", "running", "pods"} {
		g.Expect(n.world(name)).To(Equal(kubernetes), name)
	}
	g.Expect(n.world("tailscale")).To(Equal(tailscale))
	g.Expect(n.read("etc/capom/node.env")).To(And(ContainSubstring("CAPOM_KUBERNETES_VERSION='"+kubernetes+"'\n"),
		ContainSubstring("CAPOM_TAILSCALE_VERSION='"+tailscale+"'\n"), ContainSubstring("CAPOM_ROLE=")))
	g.Expect(n.exists("world/left")).To(BeFalse(), "the virtual address may be held again")
	g.Expect(n.exists("etc/capom/begun")).To(BeFalse())
}
