// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	kubeadmcloudinit "sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/cloudinit"
	"sigs.k8s.io/cluster-api/util/certs"
	"sigs.k8s.io/cluster-api/util/secret"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

const (
	kubernetesVersion = "v1.36.1"
	nodeTag           = "tag:capom-node"
	token             = "abcdef.0123456789abcdef"
)

var vipRange = netip.MustParsePrefix("127.100.0.0/16")

// world is one cluster-to-be: its certificates, its tailnet, a booter.
type world struct {
	*WithT
	booter  *Booter
	tailnet *tailnetsim.Server
	apiKey  string
	certs   secret.Certificates
	vip     string
}

func newWorld(t *testing.T, vip string) *world {
	t.Helper()
	g := NewWithT(t)
	g.SetDefaultEventuallyTimeout(time.Minute)
	g.SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	tailnet, err := tailnetsim.New(tailnetsim.Options{
		TagOwners:     map[string][]string{nodeTag: {"group:admins"}},
		AutoApprovers: map[string][]string{vipRange.String(): {nodeTag}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tailnet.Start()).To(Succeed())
	t.Cleanup(tailnet.Close)
	b, err := New(t.Context(), Options{Tailnet: tailnet, Log: logr.Discard()})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(b.Close)
	w := &world{WithT: g, booter: b, tailnet: tailnet, apiKey: tailnet.AddAPIKey(), vip: vip}
	w.certs = newCertificates(g)
	return w
}

func newCertificates(g *WithT) secret.Certificates {
	all := secret.NewCertificatesForInitialControlPlane(&bootstrapv1.ClusterConfiguration{
		EncryptionAlgorithm: bootstrapv1.EncryptionAlgorithmECDSAP256, // much faster to make than RSA keys
	})
	for _, c := range all {
		g.Expect(c.Generate()).To(Succeed())
	}
	return all
}

// authKey makes a single-use key by the tailnet's API.
func (w *world) authKey() string {
	body := `{"capabilities":{"devices":{"create":{"preauthorized":true,"tags":["` + nodeTag + `"]}}},"expirySeconds":3600}`
	request, err := http.NewRequest(http.MethodPost, w.tailnet.URL()+"/api/v2/tailnet/-/keys", strings.NewReader(body))
	w.Expect(err).NotTo(HaveOccurred())
	request.SetBasicAuth(w.apiKey, "")
	response, err := http.DefaultClient.Do(request)
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	w.Expect(response).To(HaveHTTPStatus(http.StatusOK))
	var created struct {
		Key string `json:"key"`
	}
	decode(w.WithT, response.Body, &created)
	return created.Key
}

const initConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration:
  name: '{{ ds.meta_data.local_hostname }}'
`

func (w *world) clusterConfig() string {
	return "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: " + w.vip +
		":6443\nkubernetesVersion: " + kubernetesVersion + "\n"
}

func (w *world) joinConfig(token string, controlPlane bool) string {
	config := `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration:
  name: '{{ ds.meta_data.local_hostname }}'
discovery:
  bootstrapToken:
    token: ` + token + `
    apiServerEndpoint: ` + w.vip + ":6443\n"
	if controlPlane {
		config += "controlPlane:\n  localAPIEndpoint: {}\n"
	}
	return config
}

func (w *world) initData() []byte {
	data, err := kubeadmcloudinit.NewInitControlPlane(&kubeadmcloudinit.ControlPlaneInput{
		Certificates: w.certs, ClusterConfiguration: w.clusterConfig(), InitConfiguration: initConfig,
	})
	w.Expect(err).NotTo(HaveOccurred())
	return data
}

func (w *world) controlPlaneJoinData(certificates secret.Certificates) []byte {
	data, err := kubeadmcloudinit.NewJoinControlPlane(&kubeadmcloudinit.ControlPlaneJoinInput{
		Certificates: certificates, JoinConfiguration: w.joinConfig(token, true),
	})
	w.Expect(err).NotTo(HaveOccurred())
	return data
}

func (w *world) workerData(token string) []byte {
	data, err := kubeadmcloudinit.NewNode(&kubeadmcloudinit.NodeInput{JoinConfiguration: w.joinConfig(token, false)})
	w.Expect(err).NotTo(HaveOccurred())
	return data
}

// instance is a machine as the provider would launch it.
func (w *world) instance(name string, controlPlane bool, bootstrap []byte, change ...func(*cloudinit.Input)) Instance {
	in := cloudinit.Input{
		Bootstrap: bootstrap, Hostname: name, ControlPlane: controlPlane, KubernetesVersion: kubernetesVersion,
		Tailnet:    cloudinit.Tailnet{AuthKey: cloudinit.Secret(w.authKey())},
		Tailscale:  cloudinit.Tailscale{Version: "1.102.3"},
		Endpoint:   cloudinit.Endpoint{Host: w.vip, VIP: true, VIPRange: vipRange},
		PodNetwork: cloudinit.PodNetwork{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}},
	}
	for _, c := range change {
		c(&in)
	}
	data, err := cloudinit.Render(in)
	w.Expect(err).NotTo(HaveOccurred())
	return Instance{
		ID: "ocid1.instance.oc1.test." + name, Name: name, Architecture: "arm64",
		UserData: base64.StdEncoding.EncodeToString(data),
	}
}

// client talks to the workload cluster as Cluster API would, at the VIP.
func (w *world) client(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	return w.clientSignedBy(t, w.certs)
}

func (w *world) clientSignedBy(t *testing.T, certificates secret.Certificates) *kubernetes.Clientset {
	t.Helper()
	pair := certificates.GetByPurpose(secret.ClusterCA).KeyPair
	ca, err := parseAuthority(string(pair.Cert), string(pair.Key))
	w.Expect(err).NotTo(HaveOccurred())
	admin, err := ca.issue("kubernetes-admin", nil)
	w.Expect(err).NotTo(HaveOccurred())
	key, err := certs.EncodePrivateKeyPEMFromSigner(admin.PrivateKey)
	w.Expect(err).NotTo(HaveOccurred())
	config := &rest.Config{Host: "https://" + w.vip + ":6443", Timeout: 5 * time.Second, TLSClientConfig: rest.TLSClientConfig{
		CAData:   w.certs.GetByPurpose(secret.ClusterCA).KeyPair.Cert,
		CertData: pemOf(admin.Certificate[0]), KeyData: key,
	}}
	return kubernetes.NewForConfigOrDie(config)
}

func (w *world) addToken(t *testing.T) {
	t.Helper()
	_, err := w.client(t).CoreV1().Secrets(metav1.NamespaceSystem).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: bootstrapapi.BootstrapTokenSecretPrefix + "abcdef"},
		Type:       bootstrapapi.SecretTypeBootstrapToken,
		Data: map[string][]byte{
			bootstrapapi.BootstrapTokenIDKey: []byte("abcdef"), bootstrapapi.BootstrapTokenSecretKey: []byte("0123456789abcdef"),
			bootstrapapi.BootstrapTokenUsageAuthentication: []byte("true"),
			bootstrapapi.BootstrapTokenExpirationKey:       []byte(time.Now().Add(time.Hour).UTC().Format(time.RFC3339)),
		},
	}, metav1.CreateOptions{})
	w.Expect(err).NotTo(HaveOccurred())
}

// ready is the status of a Node's Ready condition, or why there is none.
func (w *world) ready(t *testing.T, node string) func() string {
	t.Helper()
	client := w.client(t)
	return func() string {
		n, err := client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady {
				return string(c.Status)
			}
		}
		return "no Ready condition"
	}
}

func (w *world) console(i Instance) func() string {
	return func() string {
		lines, err := w.booter.Console(i.ID)
		w.Expect(err).NotTo(HaveOccurred())
		return strings.Join(lines, "\n")
	}
}

// cluster boots a first control plane at the VIP.
func (w *world) cluster(t *testing.T) Instance {
	t.Helper()
	first := w.instance("cp-0", true, w.initData())
	w.booter.Boot(t.Context(), first)
	w.Eventually(w.ready(t, "cp-0")).Should(Equal("True"))
	w.addToken(t)
	return first
}

func decode(g *WithT, r io.Reader, into any) { g.Expect(json.NewDecoder(r).Decode(into)).To(Succeed()) }

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// approveRoutes enables the devices' advertised routes, as the provider would.
func (w *world) approveRoutes() {
	for _, d := range w.tailnet.Devices() {
		body, err := json.Marshal(map[string]any{"routes": d.Advertised})
		w.Expect(err).NotTo(HaveOccurred())
		request, err := http.NewRequest(http.MethodPost, w.tailnet.URL()+"/api/v2/device/"+d.ID+"/routes", bytes.NewReader(body))
		w.Expect(err).NotTo(HaveOccurred())
		request.SetBasicAuth(w.apiKey, "")
		response, err := http.DefaultClient.Do(request)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(response).To(HaveHTTPStatus(http.StatusOK))
		w.Expect(response.Body.Close()).To(Succeed())
	}
}

func poolOf(a authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}
