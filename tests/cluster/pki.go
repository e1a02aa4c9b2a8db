package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// writePKI creates a certificate authority (ca.crt; its key is thrown away), the API server's certificate signed by
// it, and the key pair that signs ServiceAccount tokens.
func (c *cluster) writePKI() error {
	caKey, err := newKey()
	if err != nil {
		return err
	}
	ca := certificate("tidegate-test-ca")
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return fmt.Errorf("creating the certificate authority: %w", err)
	}
	serverKey, err := newKey()
	if err != nil {
		return err
	}
	server := certificate("kube-apiserver")
	server.KeyUsage = x509.KeyUsageDigitalSignature
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, ca, serverKey.Public(), caKey)
	if err != nil {
		return fmt.Errorf("creating the server's certificate: %w", err)
	}
	tokenKey, err := newKey()
	if err != nil {
		return err
	}
	tokenPublic, err := x509.MarshalPKIXPublicKey(tokenKey.Public())
	if err != nil {
		return fmt.Errorf("encoding a public key: %w", err)
	}
	if err := writePEM(c.path("ca.crt"), "CERTIFICATE", caDER); err != nil {
		return err
	}
	if err := writePEM(c.path("private", "server.crt"), "CERTIFICATE", serverDER); err != nil {
		return err
	}
	if err := writeKey(c.path("private", "server.key"), serverKey); err != nil {
		return err
	}
	if err := writePEM(c.path("private", "sa.pub"), "PUBLIC KEY", tokenPublic); err != nil {
		return err
	}
	return writeKey(c.path("private", "sa.key"), tokenKey)
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:      pkix.Name{CommonName: name},
		SerialNumber: big.NewInt(now.UnixNano()),
		NotBefore:    now.Add(-time.Hour), // clocks of containers may differ a little
		NotAfter:     now.Add(30 * 24 * time.Hour),
	}
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("creating a key: %w", err)
	}
	return key, nil
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding a key: %w", err)
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
