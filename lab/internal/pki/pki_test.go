// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestIssue(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if _, err := Create(dir, now); err != nil {
		t.Fatal(err)
	}
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("read authority: %v", err)
	}
	for _, r := range []Request{
		{Name: "node", CommonName: "system:node:n1", Groups: []string{"system:nodes"}, Hosts: []string{"n1", "10.98.0.11"}},
		{Name: "old", CommonName: "bob", Expired: true},
	} {
		if err := a.Issue(r, now); err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, r.Name+".crt"), filepath.Join(dir, r.Name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: usages})
		if (err != nil) != r.Expired {
			t.Errorf("%s verifies with %v", r.Name, err)
		}
		for _, host := range r.Hosts {
			if err := pair.Leaf.VerifyHostname(host); err != nil {
				t.Error(err)
			}
		}
		if pair.Leaf.Subject.CommonName != r.CommonName {
			t.Errorf("%s is for %s", r.Name, pair.Leaf.Subject)
		}
	}
}

func TestOpenWithoutAuthority(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("an empty directory is no authority")
	}
}
