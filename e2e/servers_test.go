// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// A badServer stands before the API server and passes on only so many bytes of its answers.
type badServer struct {
	net.Listener
	behind string       // the API server's host and port
	left   atomic.Int64 // bytes until it goes bad
	silent bool         // from then on it says nothing; else it is gone

	mu    sync.Mutex
	conns []net.Conn
}

// serve begins to listen and returns the flags that make the program ask here. It ends with the test.
func (s *badServer) serve(t *testing.T) []string {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	s.behind = server.Host
	if s.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := s.Accept()
			if err != nil {
				return
			}
			s.keep(conn)
			go s.pass(conn)
		}
	})
	t.Cleanup(func() { s.end(); accepting.Wait() })
	return []string{"--server", "https://" + s.Addr().String(), "--tls-server-name", server.Hostname()}
}

func (s *badServer) keep(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, conn)
}

// end closes the port and everything that goes through it.
func (s *badServer) end() {
	s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		conn.Close()
	}
}

// pass copies requests to the API server, and its answers back.
func (s *badServer) pass(client net.Conn) {
	server, err := net.Dial("tcp", s.behind)
	if err != nil {
		client.Close()
		return
	}
	s.keep(server)
	go func() {
		_, _ = io.Copy(server, client) // until either has gone
	}()
	buffer := make([]byte, 512)
	for {
		n, err := server.Read(buffer)
		if left := s.left.Add(-int64(n)); left < 0 && s.silent {
			return
		} else if left < 0 {
			s.end()
			return
		}
		if _, werr := client.Write(buffer[:n]); err != nil || werr != nil {
			client.Close()
			return
		}
	}
}

// breaks are the bytes after which a server goes bad: in the handshake, in the first answers, and later.
var breaks = []int64{0, 1500, 4000, 6000, 9000, 12_000, 18_000, 30_000}

// servers asks servers that refuse, hang, and go away in the middle of an answer.
func servers(t *testing.T, namespace, pod string) {
	admin := os.Getenv("KUBECONFIG")
	question := []string{"why", pod, "-n", namespace}
	t.Run("refuses", func(t *testing.T) {
		s := &badServer{}
		flags := s.serve(t)
		s.end()
		says := []string{"cannot reach the API server at https://127.0.0.1:", "connection refused"}
		trouble{kubeconfig: admin, args: append(question, flags...), status: 1, says: says}.try(t)
	})
	t.Run("is no API server", func(t *testing.T) {
		flags := (&badServer{}).serve(t)
		flags[1] = "http" + flags[1][len("https"):]
		trouble{kubeconfig: admin, args: append(question, flags...), status: 1, says: []string{"API server at http://127.0.0.1:"}}.try(t)
	})
	for _, silent := range []bool{true, false} {
		t.Run(fmt.Sprintf("goes away, silent %v", silent), func(t *testing.T) {
			failed, partial := 0, 0
			for _, n := range breaks {
				s := &badServer{silent: silent}
				s.left.Store(n)
				a := ask(t, admin, append(question, s.serve(t)...)...)
				switch {
				case a.status != 0 && strings.Contains(a.notes, "API server at https://127.0.0.1:"):
					failed++
				case a.status == 0 && strings.Contains(a.out, "EXT001") && lost.MatchString(a.out):
					partial++
				case a.status != 0 || !strings.Contains(a.out, "EXT001"):
					t.Errorf("after %d bytes: exit status %d, %s%s", n, a.status, a.notes, a.out)
				}
			}
			if failed == 0 || partial == 0 {
				t.Errorf("%d errors and %d answers with gaps, expected both: the breaks are at the wrong places", failed, partial)
			}
		})
	}
}

// lost is how the gaps tell of a server that is gone.
var lost = regexp.MustCompile(`time-out|refused|EOF|reset`)
