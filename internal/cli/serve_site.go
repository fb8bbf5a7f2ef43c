// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/web"
)

const (
	// farewell is how long requests may take to end when the program does.
	farewell = 5 * time.Second
	// lookAtKeys is how often at most the files of a certificate are looked at.
	lookAtKeys = 10 * time.Second
)

// isLoopback tells whether an address can be reached from this machine alone.
func isLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, fmt.Errorf("--listen %q is no address: give one as 127.0.0.1:8737", address)
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback(), nil
}

// A site is what is served, on each of its addresses.
type site struct {
	handler http.Handler
	ready   func(context.Context) error
	log     *slog.Logger

	servers []*http.Server
	streams context.CancelFunc // ends what would never end by itself
	mu      sync.Mutex
	closing bool
}

// open begins to serve. What goes wrong later is told to stop.
func (s *site) open(o *serveOptions, stop context.CancelCauseFunc) (addresses []string, err error) {
	var secure *tls.Config
	base, end := context.WithCancel(context.Background())
	s.streams = end
	for _, address := range o.listen {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("serve the console: %w; choose another port with --listen 127.0.0.1:0", err)
		}
		scheme := "http"
		if loopback, _ := isLoopback(address); !loopback {
			if secure == nil {
				if secure, err = tlsConfig(o.cert, o.key); err != nil {
					return nil, errors.Join(err, listener.Close())
				}
			}
			listener, scheme = tls.NewListener(listener, secure), "https"
		}
		server := web.NewServer(s.routes())
		server.BaseContext = func(net.Listener) context.Context { return base }
		server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
		s.servers = append(s.servers, server)
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("serve the console: %w", err))
			}
		}()
		addresses = append(addresses, scheme+"://"+listener.Addr().String())
	}
	return addresses, nil
}

// routes adds to the console what a kubelet asks.
func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.handler)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		closing := s.closing
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(r.Context(), farewell)
		defer cancel()
		switch err := s.ready(ctx); {
		case closing:
			http.Error(w, "it ends", http.StatusServiceUnavailable)
		case err != nil:
			s.log.Warn("not ready", "err", err)
			http.Error(w, "the history cannot be read; the log says why", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, "ok")
		}
	})
	return mux
}

// close lets requests end, but for streams, which go on at another replica.
func (s *site) close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for _, server := range s.servers {
		server.RegisterOnShutdown(s.streams)
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close() // the program ends
		}
	}
	s.streams()
}

// tlsConfig serves with the certificate in files, or one that is made now and lives as long as the process.
func tlsConfig(cert, key string) (*tls.Config, error) {
	if cert == "" {
		pair, err := selfMade(time.Now())
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, err
	}
	f := &pairFiles{cert: cert, key: key, now: time.Now}
	_, err := f.pair(nil)
	return &tls.Config{GetCertificate: f.pair, MinVersion: tls.VersionTLS12}, err
}

// A pairFiles is a certificate and its key in files that somebody replaces.
type pairFiles struct {
	cert, key string
	now       func() time.Time

	mu      sync.Mutex
	last    *tls.Certificate
	looked  time.Time
	written [2]time.Time
}

// pair returns the newest pair. While new files cannot be read, as when one of them is not yet replaced, the old ones are good.
func (f *pairFiles) pair(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if f.last != nil && now.Sub(f.looked) < lookAtKeys {
		return f.last, nil
	}
	f.looked = now
	var written [2]time.Time
	for i, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			written[i] = info.ModTime()
		}
	}
	if f.last != nil && written == f.written {
		return f.last, nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	switch {
	case err == nil:
		f.last, f.written = &pair, written
	case f.last == nil:
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return f.last, nil
}

// selfMade makes a certificate that nobody vouches for.
func selfMade(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	name := "inquest"
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
