// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/record"
)

// issue makes a certificate with its key, as the kubelet keeps them: in one file.
func issue(t testing.TB, name string, from, to time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}))
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	year := 365 * 24 * time.Hour
	w.write("pki/kubelet-client-2025.pem", issue(t, "old", noon.Add(-2*year), noon.Add(-year)))
	w.write("pki/kubelet-client-2026.pem", issue(t, "system:node:n1", noon.Add(-24*time.Hour), noon.Add(year)))
	w.write("pki/kubelet.crt", issue(t, "n1@1", noon.Add(-2*year), noon.Add(24*time.Hour)))
	w.write("secret.crt", issue(t, "elsewhere", noon, noon))
	// The kubelet writes an absolute path, which leads elsewhere from here.
	if err := os.Symlink("/var/lib/kubelet/pki/kubelet-client-2026.pem", filepath.Join(w.root, "pki", "kubelet-client-current.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../secret.crt", filepath.Join(w.root, "pki", "link.crt")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(w.root, "pki", "fifo.crt"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := w.checker(Options{Certificates: []string{"pki"}})
	c.files(t.Context())
	got := strings.Split(w.texts(), "\n")
	want := []string{
		`cert-expiring 86400 12:00:00: pki/kubelet.crt: certificate of "n1@1" is valid from 2024-01-03T12:00:00Z to 2026-01-03T12:00:00Z`,
		`cert-expiry 3.1536e+07 12:00:00: pki/kubelet-client-2026.pem: certificate of "system:node:n1" is valid from 2026-01-01T12:00:00Z to 2027-01-02T12:00:00Z`,
		`cert-expiry 86400 12:00:00: pki/kubelet.crt: certificate of "n1@1" is valid from 2024-01-03T12:00:00Z to 2026-01-03T12:00:00Z`,
		"gap certificates 0 : openat pki/secret.crt: no such file or directory",
	}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.files(t.Context())
	if got := w.texts(); got != "" {
		t.Errorf("told again: %s", got)
	}
	w.now = w.now.Add(25 * time.Hour)
	c.files(t.Context())
	if diff := cmp.Diff(`cert-expired -3600 12:00:00: pki/kubelet.crt: certificate of "n1@1" is valid from 2024-01-03T12:00:00Z to 2026-01-03T12:00:00Z`, w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const (
	pleg = "E0102 12:00:00.000000       1 kubelet.go:2412] \"Skipping pod synchronization\" err=\"PLEG is not healthy: pleg was last seen active 3m\"\n"
	gc   = "E0102 12:00:00.000000       1 kubelet.go:1412] \"Image garbage collection failed once\" err=\"x\"\n"
)

// A tailed is a log that is followed.
type tailed struct {
	*world
	c *Checker
}

// named is the log.
const named = "log/kubelet.log"

func (w tailed) add(text string) {
	w.t.Helper()
	f, err := os.OpenFile(filepath.Join(w.root, named), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		w.t.Fatal(err)
	}
}

// expect looks a few times, and compares the names of what is told.
func (w tailed) expect(when, want string) {
	w.t.Helper()
	for range 3 {
		w.c.follow(w.t.Context())
	}
	var all []string
	for l := range strings.Lines(w.texts()) {
		all = append(all, strings.Fields(l)[0])
	}
	if got := strings.Join(all, " "); got != want {
		w.t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

func TestLogs(t *testing.T) {
	w := tailed{world: newWorld(t)}
	w.write(named, pleg)
	w.c = w.checker(Options{Logs: []string{named}})
	w.expect("what was there before", "")
	w.add(gc)
	w.expect("a line", "image-gc-failed")
	w.add(gc[:40])
	w.expect("part of a line", "")
	w.add(gc[40:])
	w.expect("the rest of it", "image-gc-failed")
	w.add(gc)
	if err := os.Rename(filepath.Join(w.root, named), filepath.Join(w.root, "log/kubelet.log.1")); err != nil {
		t.Fatal(err)
	}
	w.write(named, pleg)
	w.expect("rotated", "image-gc-failed pleg-unhealthy")
	w.write(named, gc[:10])
	w.expect("truncated", "")
	w.write(named, gc)
	w.expect("truncated and written", "image-gc-failed")
	if err := os.Remove(filepath.Join(w.root, named)); err != nil {
		t.Fatal(err)
	}
	w.expect("removed", "")
	w.write(named, pleg)
	w.expect("made again", "pleg-unhealthy")
}

func TestAFlood(t *testing.T) {
	w := newWorld(t)
	w.write("kubelet.log", "")
	c := w.checker(Options{Logs: []string{"kubelet.log"}})
	c.follow(t.Context())
	w.write("kubelet.log", strings.Repeat(pleg, 100))
	c.follow(t.Context())
	first := strings.Count(w.texts(), "pleg-unhealthy")
	if first == 0 || first >= 100 {
		t.Errorf("told %d", first)
	}
	w.now = w.now.Add(time.Minute)
	c.follow(t.Context())
	if got, want := w.texts(), fmt.Sprintf("(and %d more before it)", 100-first-1); !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	big := append(bytes.Repeat([]byte("x\n"), maxBehind/2+maxChunk), pleg...)
	w.write("kubelet.log", string(big))
	c.follow(t.Context())
	if got := w.texts(); !strings.HasPrefix(got, "gap node-log 1") || !strings.Contains(got, "pleg-unhealthy") {
		t.Errorf("got %q", got)
	}
}

func TestHostileLogs(t *testing.T) {
	w := newWorld(t)
	w.write("secret", pleg)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "out"), []byte(pleg), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "out"), filepath.Join(w.root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(w.root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := w.checker(Options{Logs: []string{"link", "fifo", "../secret", "."}})
	for range 3 {
		c.follow(t.Context())
	}
	if diff := cmp.Diff(`gap node-log 0 : openat link: path escapes from parent
gap node-log 0 : read fifo: it is no regular file, or too large
gap node-log 0 : openat ../secret: path escapes from parent
gap node-log 0 : read .: it is no regular file, or too large`, w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLinesNamePods: what kubelet and runtime log may name any pod, and is for those who may see all.
func TestLinesNamePods(t *testing.T) {
	w := newWorld(t)
	w.write("kubelet.log", "")
	c := w.checker(Options{Logs: []string{"kubelet.log"}})
	c.follow(t.Context())
	w.write("kubelet.log", pleg)
	c.follow(t.Context())
	c.follow(t.Context())
	if len(w.told) != 1 || w.told[0].Names != record.Anybody || w.told[0].Brief != "pleg-unhealthy: a line in kubelet.log" {
		t.Errorf("told %+v", w.told)
	}
}

// TestFileWithoutCertificates: that a file has none is told once, and not that it could not be looked at.
func TestFileWithoutCertificates(t *testing.T) {
	w := newWorld(t)
	w.write("none.crt", "nothing")
	c := w.checker(Options{Certificates: []string{"none.crt"}})
	c.files(t.Context())
	if got := w.texts(); strings.Count(got, "gap ") != 1 {
		t.Errorf("told %s", got)
	}
	c.files(t.Context())
	if got := w.texts(); got != "" {
		t.Errorf("told again: %s", got)
	}
}
