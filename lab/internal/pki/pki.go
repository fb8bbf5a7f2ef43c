// SPDX-License-Identifier: Apache-2.0

// Package pki makes the lab's certificates: one authority, and a key and a
// certificate for each program, node and person, all as PEM files in one
// directory that is thrown away with the lab.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const lifetime = 10 * 365 * 24 * time.Hour

// A Request describes one certificate, good for both ends of a connection.
type Request struct {
	Name       string   // of the files: Name.crt and Name.key
	CommonName string   // the user, to Kubernetes
	Groups     []string // the user's groups
	Hosts      []string // names and IP addresses a server answers under
	Expired    bool     // valid until an hour ago, to try what a client says then
}

// An Authority signs certificates and knows where its files are.
type Authority struct {
	dir  string
	pair tls.Certificate
}

// Create makes an authority and the key pair that signs service account
// tokens (sa.key, sa.pub) in dir.
func Create(dir string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := newKey(filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(pkix.Name{CommonName: "lab-ca"}, now, now.Add(lifetime))
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writePEM(filepath.Join(dir, "ca.crt"), "CERTIFICATE", der); err != nil {
		return nil, err
	}
	sa, err := newKey(filepath.Join(dir, "sa.key"))
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(sa.Public())
	if err != nil {
		return nil, err
	}
	if err := writePEM(filepath.Join(dir, "sa.pub"), "PUBLIC KEY", public); err != nil {
		return nil, err
	}
	return Open(dir)
}

// Open returns the authority that Create left in dir.
func Open(dir string) (*Authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, fmt.Errorf("open certificate authority: %w", err)
	}
	return &Authority{dir: dir, pair: pair}, nil
}

// Issue writes the key and the certificate asked for.
func (a *Authority) Issue(r Request, now time.Time) error {
	key, err := newKey(a.path(r.Name, "key"))
	if err != nil {
		return err
	}
	until := now.Add(lifetime)
	if r.Expired {
		until = now.Add(-time.Hour)
	}
	template, err := newTemplate(pkix.Name{CommonName: r.CommonName, Organization: r.Groups}, now, until)
	if err != nil {
		return err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, h := range r.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.pair.Leaf, key.Public(), a.pair.PrivateKey)
	if err != nil {
		return fmt.Errorf("sign certificate %s: %w", r.Name, err)
	}
	return writePEM(a.path(r.Name, "crt"), "CERTIFICATE", der)
}

func (a *Authority) path(name, ext string) string {
	return filepath.Join(a.dir, name+"."+ext)
}

// newTemplate starts two hours in the past, so that an expired certificate
// too was once valid.
func newTemplate(subject pkix.Name, now, until time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-2 * time.Hour),
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}, nil
}

func newKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(file, "EC PRIVATE KEY", der)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
