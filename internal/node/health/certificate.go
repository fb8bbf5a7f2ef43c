// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	maxFile          = 256 << 10 // of a configuration or a certificate
	mostCertificates = 32        // in one file
	mostFiles        = 64        // in one directory
	// dueShare is what is left of a certificate's time when it should have been renewed long ago: the kubelet does so after 70
	// to 90 % (client-go util/certificate, jitteryDuration).
	dueShare = 0.1
)

// A certificate is what was told of one.
type certificate struct {
	ends         time.Time
	due, expired bool
}

// readCertificates tells when certificates expire: once for each, and again when that is near and when it has come.
func (c *Checker) readCertificates() {
	for _, name := range c.options.Certificates {
		n := 0
		for _, file := range c.certificateFiles(name) {
			data, err := readFile(c.root, file)
			if err != nil {
				c.missing("certificates", file, err.Error())
				continue
			}
			if file != name { // of the name it is said below
				c.there("certificates", file)
			}
			for i, cert := range certificates(data) {
				c.expiry(file, i, cert)
				n++
			}
			clear(data) // a key may lie beside them
		}
		if n == 0 {
			c.missing("certificates", name, name+" below the host's root has none that are in use: mount it, or name others by --certificates")
			continue
		}
		c.there("certificates", name)
	}
}

// certificateFiles are the files of a name: itself, or those of a directory that are in use. The kubelet leaves old ones
// beside its kubelet-client-current.pem, which is a link by an absolute path to one of them.
func (c *Checker) certificateFiles(name string) []string {
	info, err := c.root.Lstat(name)
	switch {
	case err != nil:
		return nil
	case info.Mode()&os.ModeSymlink != 0:
		target, err := c.root.Readlink(name)
		if err != nil {
			return nil
		}
		return []string{path.Join(path.Dir(name), path.Base(target))}
	case !info.IsDir():
		return []string{name}
	}
	dir, err := c.root.Open(name)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(mostFiles)
	slices.Sort(names)
	var files []string
	for _, in := range names {
		if strings.HasSuffix(in, "-current.pem") || strings.HasSuffix(in, ".crt") {
			if at := path.Join(name, in); path.Dir(at) == path.Clean(name) {
				files = append(files, c.file(at)...)
			}
		}
	}
	return files
}

// file is a file in a directory, or what a link there names in it.
func (c *Checker) file(name string) []string {
	if info, err := c.root.Lstat(name); err == nil && info.Mode()&os.ModeSymlink == 0 && !info.Mode().IsRegular() {
		return nil
	}
	return c.certificateFiles(name)
}

// certificates are those of a PEM file. Keys are skipped, unread.
func certificates(data []byte) []*x509.Certificate {
	var list []*x509.Certificate
	for len(list) < mostCertificates {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		if block.Type != "CERTIFICATE" {
			clear(block.Bytes)
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			list = append(list, cert)
		}
	}
	return list
}

func (c *Checker) expiry(file string, i int, cert *x509.Certificate) {
	now := c.options.Now()
	key := fmt.Sprintf("%s %d", file, i)
	k := c.certs[key]
	if k == nil && len(c.certs) >= mostFiles*mostCertificates {
		return
	}
	left := cert.NotAfter.Sub(now)
	text := fmt.Sprintf("%s: certificate of %q is valid from %s to %s", file, cert.Subject.CommonName,
		cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
	if k == nil || !k.ends.Equal(cert.NotAfter) {
		k = &certificate{ends: cert.NotAfter}
		c.certs[key] = k
		c.fact(evidence.FromKubelet, now, "file "+file, "cert-expiry", text, left.Seconds())
	}
	if left <= 0 && !k.expired {
		k.expired, k.due = true, true
		c.fact(evidence.FromKubelet, cert.NotAfter, "file "+file, "cert-expired", text, left.Seconds())
	}
	if !k.due && left.Seconds() < dueShare*cert.NotAfter.Sub(cert.NotBefore).Seconds() {
		k.due = true
		c.fact(evidence.FromKubelet, now, "file "+file, "cert-expiring", text, left.Seconds())
	}
}

// errKind is why a file is not read.
var errKind = errors.New("it is no regular file, or too large")

// readFile reads a whole file beneath the root, if it is a regular one of bearable size.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("read %s: %w", name, errKind)
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(f, maxFile))
	return b.Bytes(), err
}
