// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// Of the world of the agent that finds API servers.
const (
	worldVIP  = "10.250.0.1"
	worldNode = "100.64.0.7"
	// actor is the variable by which the test's own program plays a part of the world.
	actor = "CAPOM_TEST_ACTS_AS"
)

// worldMembers are the API servers' addresses. The node's own is the last.
var worldMembers = []string{"100.64.0.11", "100.64.0.12", "100.64.0.13", worldNode}

// membersScript makes a node and, beyond its tailscale0, other nodes. All have their API servers,
// and the VIP's route leads to the others.
const membersScript = `
ip link set lo up
ip link add tailscale0 type veth peer name others
unshare -n sleep 600 &
others=$!
while [ "$(readlink /proc/$others/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link set others netns $others
nsenter --net=/proc/$others/ns/net sh -euc 'ip link set lo up
for address in 100.64.0.1 100.64.0.11 100.64.0.12 100.64.0.13 10.250.0.1; do ip addr add $address/32 dev lo; done
ip link set others up
ip route add 100.64.0.7 dev others
nft "table ip lost { set members { type ipv4_addr; }
chain input { type filter hook input priority -400; ip daddr @members drop; }
chain output { type filter hook output priority -400; ip saddr @members drop; }
}"'
ip link add ens3 type veth peer name vcn
ip link set vcn up
ip addr add 10.0.0.5/24 dev ens3
ip link set ens3 up
ip route add default dev ens3
ip addr add 100.64.0.7/32 dev tailscale0
ip link set tailscale0 up
ip route add 100.64.0.0/10 dev tailscale0
ip route add 10.250.0.1 dev tailscale0
CAPOM_TEST_ACTS_AS="100.64.0.11 100.64.0.12 100.64.0.13 10.250.0.1" nsenter --net=/proc/$others/ns/net "$program" &
CAPOM_TEST_ACTS_AS=100.64.0.7 "$program" &
CAPOM_TEST_ACTS_AS=clients "$program" &
pid=
while :; do
	if [ -e "$CAPOM_ROOT/run-agent" ] && [ -z "$pid" ]; then
		"$agent" run &
		pid=$!
	elif [ ! -e "$CAPOM_ROOT/run-agent" ] && [ -n "$pid" ]; then
		kill $pid
		wait $pid || :
		"$agent" leave
		pid=
	fi
	if [ -e "$CAPOM_ROOT/do" ]; then
		sh -euc "$(cat "$CAPOM_ROOT/do")"
		rm "$CAPOM_ROOT/do"
	fi
	sleep 0.1
done
`

// membersWorld is such a node, as the test sees it.
type membersWorld struct{ *testNode }

func newMembersWorld(t *testing.T, in Input, members ...string) membersWorld {
	t.Helper()
	requireTool(t, "nft", "nftables")
	unshare := requireNamespaces(t, "-n", "-r")
	w := membersWorld{newTestNode(t, in)}
	w.real("nft", "ip", "curl", "nsenter", "ss", "unshare")
	w.write("joined", "", 0o644)
	w.write("script", membersScript, 0o644)
	w.certificates()
	w.list(members...)
	program, err := os.Executable()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	// The names of the clients' files are watched: they begin empty.
	w.write("fresh", "", 0o644)
	w.write("kept", "", 0o644)
	// systemd makes the folder (StateDirectory).
	NewWithT(t).Expect(os.MkdirAll(filepath.Join(w.root, "var/lib/capom"), 0o755)).To(Succeed())
	w.write("world", "#!/bin/sh\nexport agent="+filepath.Join(w.root, scriptsDir, "capom-members")+" program="+program+
		" PATH="+w.path()+" CAPOM_MEMBERS_INTERVAL=0.2 https_proxy=http://127.0.0.1:9\nexec "+unshare+" -n -r sh -eu \"$CAPOM_ROOT/script\"\n", 0o755)
	w.start("world")
	return w
}

// certificates are the cluster's, as far as its nodes have them, and one of another cluster.
func (w membersWorld) certificates() {
	authority, key := w.authority()
	w.write("etc/kubernetes/pki/ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})), 0o644)
	w.write("server.pem", w.signed(authority, key, "kube-apiserver"), 0o600)
	w.write("kubelet.pem", w.signed(authority, key, "system:node:w-1"), 0o600)
	stranger, strangersKey := w.authority()
	w.write("stranger.pem", w.signed(stranger, strangersKey, "kube-apiserver"), 0o600)
}

func (w membersWorld) authority() (*x509.Certificate, *ecdsa.PrivateKey) {
	g := NewWithT(w.t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	g.Expect(err).NotTo(HaveOccurred())
	authority, err := x509.ParseCertificate(der)
	g.Expect(err).NotTo(HaveOccurred())
	return authority, key
}

// signed is a certificate and its key.
func (w membersWorld) signed(authority *x509.Certificate, authoritysKey *ecdsa.PrivateKey, name string) string {
	g := NewWithT(w.t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, address := range append(worldMembers, worldVIP) {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), authoritysKey)
	g.Expect(err).NotTo(HaveOccurred())
	private, err := x509.MarshalPKCS8PrivateKey(key)
	g.Expect(err).NotTo(HaveOccurred())
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// kubelet has its certificate from now on.
func (w membersWorld) kubelet() {
	w.write("var/lib/kubelet/pki/kubelet-client-current.pem", w.read("kubelet.pem"), 0o600)
}

// list sets what the API servers say of themselves.
func (w membersWorld) list(members ...string) { w.atomic("endpoints", strings.Join(members, " ")) }

// is sets how a member behaves: ready, unready, hanging, dead, lost (with its machine) or of
// another cluster.
func (w membersWorld) is(member, mode string) { w.atomic("mode-"+member, mode) }

func (w membersWorld) atomic(name, content string) {
	w.write(name+".new", content, 0o644)
	if err := os.Rename(filepath.Join(w.root, name+".new"), filepath.Join(w.root, name)); err != nil {
		w.t.Fatal(err)
	}
}

// agent runs from now on, or does not.
func (w membersWorld) agent(runs bool) {
	if runs {
		w.write("run-agent", "", 0o644)
		return
	}
	_ = os.Remove(filepath.Join(w.root, "run-agent"))
}

// do runs a command on the node.
func (w membersWorld) do(command string) {
	w.t.Helper()
	w.atomic("do", command)
	NewWithT(w.t).Eventually(func() bool { return w.exists("do") }, soon).Should(BeFalse(), func() string { return w.read("output") })
}

// answers is the last answer that a client got: fresh makes a connection for each request, kept
// makes another one only when it has lost its own.
func (w membersWorld) answers(client string) func() string {
	return func() string { return w.read(client) }
}

func TestMain(m *testing.M) {
	switch part := os.Getenv(actor); part {
	case "":
		os.Exit(m.Run())
	case "clients":
		actAsClients(os.Getenv("CAPOM_ROOT"))
	default:
		actAsAPIServers(os.Getenv("CAPOM_ROOT"), strings.Fields(part))
	}
}

// actAsAPIServers serves at each address as the test says.
func actAsAPIServers(root string, addresses []string) {
	var all sync.WaitGroup
	for _, address := range addresses {
		all.Go(func() {
			var server *http.Server
			for last := ""; ; time.Sleep(20 * time.Millisecond) {
				mode := modeOf(root, address)
				if mode == last {
					continue
				}
				another := mode == "dead" || (mode == "foreign") != (last == "foreign")
				last = mode
				lose(address, mode == "lost")
				if server != nil && another {
					_ = server.Close()
					server = nil
				}
				if server == nil && mode != "dead" {
					server = serve(root, address, mode)
				}
			}
		})
	}
	all.Wait()
}

func modeOf(root, address string) string {
	mode, err := os.ReadFile(filepath.Join(root, "mode-"+address))
	if err != nil {
		return "ready"
	}
	return string(mode)
}

// lose has a member's packets vanish, as those of a machine without power do.
func lose(address string, lost bool) {
	verb := "delete"
	if lost {
		verb = "add"
	}
	_ = exec.Command("nft", verb, "element", "ip", "lost", "members", "{ "+address+" }").Run()
}

func serve(root, address, mode string) *http.Server {
	name := "server.pem"
	if mode == "foreign" {
		name = "stranger.pem"
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(root, name), filepath.Join(root, name))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if modeOf(root, address) == "unready" || len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/api/v1/namespaces/default/endpoints/kubernetes", func(w http.ResponseWriter, _ *http.Request) {
		listed, _ := os.ReadFile(filepath.Join(root, "endpoints"))
		var addresses []string
		for _, word := range strings.Fields(string(listed)) {
			addresses = append(addresses, fmt.Sprintf("        {\n          \"ip\": %q\n        }", word))
		}
		_, _ = fmt.Fprintf(w, "{\n  \"subsets\": [{\n      \"addresses\": [\n%s\n", strings.Join(addresses, ",\n"))
		if _, err := os.Stat(filepath.Join(root, "breaks-off")); err == nil {
			_ = http.NewResponseController(w).Flush()
			_ = os.WriteFile(filepath.Join(root, "broke-off"), nil, 0o600)
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "      ]\n  }]\n}\n")
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, address) })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for modeOf(root, address) == "hanging" && r.Context().Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
		mux.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}, ReadHeaderTimeout: time.Minute}
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "6443"))
	for err != nil {
		time.Sleep(20 * time.Millisecond)
		listener, err = net.Listen("tcp", net.JoinHostPort(address, "6443"))
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return server
}

// actAsClients keeps writing down who answers at the VIP.
func actAsClients(root string) {
	var all sync.WaitGroup
	for name, patience := range map[string]time.Duration{"fresh": time.Second, "kept": time.Hour} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: name == "fresh"}
		client := &http.Client{Transport: transport, Timeout: patience}
		all.Go(func() {
			for ; ; time.Sleep(50 * time.Millisecond) {
				said := who(client)
				_ = os.WriteFile(filepath.Join(root, name+".new"), []byte(said), 0o600)
				_ = os.Rename(filepath.Join(root, name+".new"), filepath.Join(root, name))
			}
		})
	}
	all.Wait()
}

func who(client *http.Client) string {
	response, err := client.Get("https://" + worldVIP + ":6443/who")
	if err != nil {
		return "nobody"
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return "nobody"
	}
	return string(said)
}
