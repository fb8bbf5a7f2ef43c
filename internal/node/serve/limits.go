// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// An output is an answer that is being written, at the pace that all answers share, by a client who takes it in time.
type output struct {
	*bufio.Writer
	server *Server
	gone   <-chan struct{} // closed when the client is
	w      http.ResponseWriter
	begun  bool
	sent   int64
}

const chunk = 16 << 10

func (s *Server) output(w http.ResponseWriter, r *http.Request, contentType string) *output {
	o := &output{server: s, gone: r.Context().Done(), w: w}
	o.Writer = bufio.NewWriterSize(writerFunc(o.write), chunk)
	w.Header().Set("Content-Type", contentType)
	return o
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (o *output) write(p []byte) (int, error) {
	if err := o.server.pace.wait(o.gone, len(p)); err != nil {
		return 0, err
	}
	if !o.begun {
		o.begun = true
		o.server.count(http.StatusOK)
	}
	o.server.deadline(o.w)
	n, err := o.w.Write(p)
	o.sent += int64(n)
	o.server.mu.Lock()
	o.server.sent += int64(n)
	o.server.mu.Unlock()
	return n, err
}

// send makes the client have what was written so far.
func (o *output) send() error {
	if err := o.Flush(); err != nil {
		return err
	}
	return http.NewResponseController(o.w).Flush()
}

// A pace is how fast all answers together may go.
type pace struct {
	rate float64 // bytes a second

	mu   sync.Mutex
	free time.Time // when the next byte may go
}

// ahead is what may go at once.
const ahead = 100 * time.Millisecond

func (p *pace) wait(gone <-chan struct{}, n int) error {
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	wait := p.free.Sub(now) - ahead
	p.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-gone:
		return errGone
	}
}

var errGone = errors.New("the client is gone")

// A crowd are the connections that are open. Where there are too many, the one goes that has waited longest without a
// request: whoever holds connections to keep others out loses them.
type crowd struct {
	mu      sync.Mutex
	count   int
	waiting []net.Conn // oldest first
}

func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.waiting {
		if other == conn {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			break
		}
	}
	switch state {
	case http.StateNew:
		c.count++
		c.waiting = append(c.waiting, conn)
	case http.StateIdle:
		c.waiting = append(c.waiting, conn)
	case http.StateClosed, http.StateHijacked:
		c.count--
	case http.StateActive:
	}
	if state == http.StateNew && c.count > mostClients && len(c.waiting) > 0 {
		c.waiting[0].Close()
		c.waiting = c.waiting[1:]
	}
}

func tlsConfig(pair tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
}

// keyPair reads the server's key pair, or makes one that lives as long as the process.
func keyPair(o Options) (tls.Certificate, error) {
	if o.Cert != "" || o.Key != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("read the key pair of the server: %w", err)
		}
		return pair, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := o.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "inquest-agent"},
		DNSNames:     []string{"inquest-agent"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
