// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// noise replaces what differs from key to key.
func noise(der []byte, from, to int) []byte {
	der = bytes.Clone(der)
	_, _ = rand.Read(der[from:to])
	return der
}

func pkiFile(path, kind string, der []byte) string {
	var out strings.Builder
	fmt.Fprintf(&out, "-   path: %s\n    owner: root:root\n    permissions: '0640'\n    content: |\n", path)
	for line := range strings.Lines(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))) {
		out.WriteString("      " + line)
	}
	return out.String()
}

// authorities are what a control plane carries of its cluster's, as Cluster API makes them: three
// certificates with their keys, and the key pair of service accounts. With an external etcd the key
// of etcd's is not there, but a client's certificate and key are. Only the first key is one: RSA
// keys take their time.
func authorities(t *testing.T, key crypto.Signer, externalEtcd bool) string {
	t.Helper()
	g := NewWithT(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(2_000_000_000, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature, DNSNames: []string{"kubernetes"},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	g.Expect(err).NotTo(HaveOccurred())
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	g.Expect(err).NotTo(HaveOccurred())
	kind, private, modulus := "EC PRIVATE KEY", []byte(nil), 64
	switch k := key.(type) {
	case *rsa.PrivateKey:
		kind, private, modulus = "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k), k.Size()
	case *ecdsa.PrivateKey:
		private, err = x509.MarshalECPrivateKey(k)
		g.Expect(err).NotTo(HaveOccurred())
	}
	at := bytes.Index(certificate, public[len(public)-modulus:len(public)-5])
	var out strings.Builder
	names := []string{"ca", "etcd/ca", "front-proxy-ca"}
	if externalEtcd {
		names = append(names, "apiserver-etcd-client")
	}
	for i, name := range names {
		if i > 0 {
			private = noise(private, 12, len(private))
			certificate = noise(noise(certificate, at, at+modulus), len(certificate)-modulus, len(certificate))
		}
		out.WriteString(pkiFile(pkiDir+name+".crt", "CERTIFICATE", certificate))
		if !externalEtcd || name != "etcd/ca" {
			out.WriteString(pkiFile(pkiDir+name+".key", kind, private))
		}
	}
	out.WriteString(pkiFile(pkiDir+"sa.pub", "PUBLIC KEY", noise(public, 12, len(public))) + pkiFile(pkiDir+"sa.key", kind, noise(private, 12, len(private))))
	return out.String()
}

func rsaAuthorities(t *testing.T, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return authorities(t, key, false)
}

func ecdsaAuthorities(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return authorities(t, key, false)
}

// ownFile is one of the user's that does not shrink.
func ownFile(bytes int) string {
	return pkiFile("/etc/own", "DATA", noise(make([]byte, bytes), 0, bytes))
}

// templated is the bootstrap data of a first control plane of the templates, but for its keys.
const templated = `## template: jinja
#cloud-config

write_files:
%s-   path: /etc/kubernetes/patches/corednsdeployment.yaml
    content: |
      spec:
        template:
          spec:
            topologySpreadConstraints:
            - maxSkew: 1
              topologyKey: topology.kubernetes.io/zone
              whenUnsatisfiable: ScheduleAnyway
              labelSelector: {matchLabels: {k8s-app: kube-dns}}
-   path: /run/kubeadm/kubeadm.yaml
    owner: root:root
    permissions: '0640'
    content: |
      ---
      apiServer: {}
      apiVersion: kubeadm.k8s.io/v1beta4
      clusterName: mesh
      controlPlaneEndpoint: 10.250.0.1:6443
      controllerManager: {}
      dns: {}
      etcd:
        local:
          extraArgs:
          - name: heartbeat-interval
            value: "300"
          - name: election-timeout
            value: "3000"
      kind: ClusterConfiguration
      kubernetesVersion: v1.36.3
      networking:
        dnsDomain: cluster.local
        podSubnet: 10.244.0.0/16
        serviceSubnet: 10.96.0.0/12
      proxy: {}
      scheduler: {}

      ---
      apiVersion: kubeadm.k8s.io/v1beta4
      kind: InitConfiguration
      localAPIEndpoint: {}
      nodeRegistration:
        imagePullPolicy: IfNotPresent
        taints: null
      patches:
        directory: /etc/kubernetes/patches
      skipPhases:
      - addon/kube-proxy
-   path: /run/cluster-api/placeholder
    owner: root:root
    permissions: '0640'
    content: "This placeholder file is used to create the /run/cluster-api sub directory"
runcmd:
  - 'kubeadm init --config /run/kubeadm/kubeadm.yaml  && echo success > /run/cluster-api/bootstrap-success.complete'
`

// withAuthorities is a control plane of the templates.
func withAuthorities(in Input, files string) Input {
	in.Bootstrap = fmt.Appendf(nil, templated, files)
	in.Hostname = "mesh-control-plane-abcde-0123abcd"
	in.Labels = map[string]string{
		infrav1.NodeAccountLabel: "alice", infrav1.NodeFaultDomainLabel: "FAULT-DOMAIN-1",
		"topology.kubernetes.io/region": "eu-frankfurt-1", "topology.kubernetes.io/zone": "alice-ad-1",
		"node.kubernetes.io/instance-type": "VM.Standard.A1.Flex",
	}
	return in
}

func TestTheKeysThatClusterAPICanMakeFitOrTheMessageSaysWhichDo(t *testing.T) {
	const reserve = 300
	for name, tc := range map[string]struct {
		files  func(t *testing.T) string
		advice string
	}{
		"ECDSA-P256": {ecdsaAuthorities, ""},
		"RSA-2048":   {func(t *testing.T) string { return rsaAuthorities(t, 2048) }, ""},
		"RSA-3072":   {func(t *testing.T) string { return rsaAuthorities(t, 3072) }, ""},
		"RSA-4096":   {func(t *testing.T) string { return rsaAuthorities(t, 4096) }, "RSA-4096; RSA-3072 or ECDSA-P256 fits"},
		"RSA-4096 and an own file": {
			func(t *testing.T) string { return rsaAuthorities(t, 4096) + ownFile(5000) }, "RSA-4096; ECDSA-P256 fits",
		},
		"RSA-2048 and an own file": {
			func(t *testing.T) string { return rsaAuthorities(t, 2048) + ownFile(8000) }, "RSA-2048; ECDSA-P256 fits",
		},
		"ECDSA-P256 and an own file": {
			func(t *testing.T) string { return ecdsaAuthorities(t) + ownFile(16_000) }, "shorten the files and commands",
		},
		"an own file alone": {func(*testing.T) string { return ownFile(20_000) }, "shorten the files and commands"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := withAuthorities(controlPlaneInput(), tc.files(t))
			bare := in
			bare.Without = Dispensable()
			userData, err := Render(bare)
			g.Expect(err).NotTo(HaveOccurred())
			t.Logf("%d of %d bytes without agents", Size(userData, nil), MaxMetadataBytes)

			_, _, err = Fit(in)

			if tc.advice == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(Size(userData, nil)).To(BeNumerically("<=", MaxMetadataBytes-reserve), "users have room for something of their own")
				return
			}
			var tooLarge *TooLargeError
			g.Expect(errors.As(err, &tooLarge)).To(BeTrue())
			tooLarge.Authorities = AuthoritiesIn(in.Bootstrap)
			g.Expect(tooLarge.Error()).To(ContainSubstring(tc.advice))
		})
	}
}

func TestOnlyWhatLacksRoomIsCompressedByAllMeans(t *testing.T) {
	g := NewWithT(t)
	beside := func(bytes int) Input {
		in := workerInput()
		in.OtherMetadata = map[string]string{"a": strings.Repeat("x", bytes-1)}
		return in
	}
	alone, err := Render(workerInput())
	g.Expect(err).NotTo(HaveOccurred())
	most := roomy - Size(alone, nil)
	g.Expect(most).To(BeNumerically(">", 0), "a worker has room to spare")

	same, err := Render(beside(most))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(same).To(Equal(alone))
	smaller, err := Render(beside(most + 1))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(smaller)).To(BeNumerically("<", len(alone)))
}

func BenchmarkRender(b *testing.B) {
	in := workerInput()
	for b.Loop() {
		if _, err := Render(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	script, err := nodeScript(workerInput().withDefaults())
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]*compressor{"quick": quick, "best": best} {
		b.Run(name, func(b *testing.B) {
			var size int
			for b.Loop() {
				out, err := c.compress(script)
				if err != nil {
					b.Fatal(err)
				}
				size = len(out)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
