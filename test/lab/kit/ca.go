// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// serverAddress is the management host's, for all of the lab's servers.
const serverAddress = "198.51.100.2"

// ServerNames are the package repositories imitated by the lab.
var ServerNames = []string{"pkgs.k8s.io", "download.docker.com", "pkgs.tailscale.com"}

// CA is a certification authority for the lab alone, and a certificate of it for
// the lab's servers. All are paths of PEM files.
type CA struct {
	Cert, ServerCert, ServerKey string
}

func (b *builder) ca(context.Context) (CA, error) {
	dir, err := b.folder("ca", append([]string{serverAddress}, ServerNames...), makeCA)
	return CA{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")}, err
}

func makeCA(dir string) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	validity := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), BasicConstraintsValid: true}
	}
	ca := validity(1, "CAPOM lab")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	if err := writeCertificate(filepath.Join(dir, "ca.pem"), ca, ca, caKey.Public(), caKey); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	server := validity(2, serverAddress)
	server.KeyUsage, server.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames, server.IPAddresses = ServerNames, []net.IP{net.ParseIP(serverAddress)}
	if err := writeCertificate(filepath.Join(dir, "server.pem"), server, ca, key.Public(), caKey); err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "server-key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func writeCertificate(path string, subject, issuer *x509.Certificate, public any, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, public, key)
	if err != nil {
		return fmt.Errorf("sign %s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
