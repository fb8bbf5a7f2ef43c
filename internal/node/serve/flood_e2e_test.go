// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// floodChild is the variable by which the tests run themselves as a server.
const floodChild = "INQUEST_SERVE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(floodChild) != "" {
		fmt.Fprintln(os.Stderr, beServer())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// beServer prints its address and its certificate, and serves until its input ends.
func beServer() error {
	s, err := New(Options{Node: "n1", Listen: "127.0.0.1:0", API: NewAPI("https://127.0.0.1:1", "/nowhere")})
	if err != nil {
		return err
	}
	listener, err := s.Listen(context.Background())
	if err != nil {
		return err
	}
	fmt.Printf("%s %x\n", listener.Addr(), s.http.TLSConfig.Certificates[0].Certificate[0])
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return s.Serve(ctx, listener)
}

// TestFlood has a server flooded with connections of many addresses, and looks at the processor time that it takes.
func TestFlood(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), floodChild+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var address string
	var der []byte
	if _, err := fmt.Fscanf(out, "%s %x\n", &address, &der); err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	config := &tls.Config{RootCAs: pool, ServerName: "inquest-agent", MinVersion: tls.VersionTLS13}
	var tried, let atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+i), byte(n>>8), byte(n))}}
				conn, err := (&tls.Dialer{NetDialer: from, Config: config}).DialContext(ctx, "tcp", address)
				if tried.Add(1); err == nil {
					let.Add(1)
					conn.Close()
				}
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	in.Close()
	_ = cmd.Wait() // it ends with its input
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("of %d connections in %s %d were let in: %.3f processors", tried.Load(), took.Round(time.Second), let.Load(), used.Seconds()/took.Seconds())
	if most := int64(crowdAhead) + int64(took/crowdEvery) + 10; let.Load() > most || let.Load() == 0 {
		t.Errorf("%d were let in, of at most %d", let.Load(), most)
	}
}
