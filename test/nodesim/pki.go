// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"sigs.k8s.io/cluster-api/util/certs"
)

// authority is a certificate authority as a control plane finds it under
// /etc/kubernetes/pki.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func parseAuthority(certPEM, keyPEM string) (authority, error) {
	cert, err := certs.DecodeCertPEM([]byte(certPEM))
	if err != nil {
		return authority{}, fmt.Errorf("decode the certificate: %w", err)
	}
	if cert == nil {
		return authority{}, errors.New("the certificate is missing")
	}
	key, err := certs.DecodePrivateKeyPEM([]byte(keyPEM))
	if err != nil {
		return authority{}, fmt.Errorf("decode the private key: %w", err)
	}
	if key == nil {
		return authority{}, errors.New("the private key is missing")
	}
	return authority{cert: cert, key: key}, nil
}

func (a authority) equal(b authority) bool { return a.cert.Equal(b.cert) }

// signs tells whether this authority signed the client's certificate.
func (a authority) signs(chain []*x509.Certificate) bool {
	if len(chain) == 0 {
		return false
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// issue signs a serving certificate with a key of its own.
func (a authority) issue(commonName string, dnsNames []string, ips ...net.IP) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a private key: %w", err)
	}
	config := certs.Config{
		CommonName: commonName,
		AltNames:   certs.AltNames{DNSNames: dnsNames, IPs: ips},
		Usages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := config.NewSignedCert(key, a.cert, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", commonName, err)
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, nil
}
