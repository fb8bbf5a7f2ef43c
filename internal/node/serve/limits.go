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
	"slices"
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

const (
	strangerEvery = 200 * time.Millisecond // a token that is not known is reviewed for one address,
	strangerAhead = 40                     // and so many at once
)

// hostOf is an address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// A crowd are the connections that are open. Where there are too many, one goes in which no request is being answered: of the
// address that has most of these, the one that has waited longest. Whoever holds connections to keep others out loses them,
// also where a request is begun and never ended in each.
type crowd struct {
	mu      sync.Mutex
	count   int
	waiting []net.Conn // oldest first
}

func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateActive {
		return // a request has begun to come
	}
	c.waiting = slices.DeleteFunc(c.waiting, func(other net.Conn) bool { return other == conn })
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
	if state == http.StateNew && c.count > mostClients {
		c.evict()
	}
}

// answers notes that a request is being answered.
func (c *crowd) answers(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(conn net.Conn) bool { return conn.RemoteAddr().String() == address })
}

func (c *crowd) evict() {
	of := map[string]int{}
	most := 0
	for _, conn := range c.waiting {
		host := hostOf(conn.RemoteAddr().String())
		of[host]++
		most = max(most, of[host])
	}
	i := slices.IndexFunc(c.waiting, func(conn net.Conn) bool { return of[hostOf(conn.RemoteAddr().String())] == most })
	if i < 0 {
		return // all are being answered
	}
	conn := c.waiting[i]
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn() // it is not told: that could take some time
	}
	conn.Close()
	c.waiting = slices.Delete(c.waiting, i, i+1)
}

// tlsConfig serves with the key pair of the files, read again once an hour as certificates are replaced, or with one that is
// made now and lives as long as the process.
func tlsConfig(o Options) (*tls.Config, error) {
	if o.Cert == "" && o.Key == "" {
		pair, err := makeKeyPair(o)
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}, err
	}
	f := &keyFiles{o: o}
	_, err := f.pair(nil)
	return &tls.Config{GetCertificate: f.pair, MinVersion: tls.VersionTLS13}, err
}

// A keyFiles is a key pair in files.
type keyFiles struct {
	o Options

	mu   sync.Mutex
	last *tls.Certificate
	read time.Time
}

const readKeysEvery = time.Hour

// pair returns the key pair. While new files cannot be read, as when one of them is not yet replaced, the old ones are good.
func (f *keyFiles) pair(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.o.Now(); f.last == nil || now.Sub(f.read) > readKeysEvery {
		pair, err := tls.LoadX509KeyPair(f.o.Cert, f.o.Key)
		if err == nil {
			f.last, f.read = &pair, now
		} else if f.last == nil {
			return nil, fmt.Errorf("read the key pair of the server: %w", err)
		}
	}
	return f.last, nil
}

func makeKeyPair(o Options) (tls.Certificate, error) {
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
