// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
)

// TestKeep asks several times: over connections of each question's own, or over those that are kept.
func TestKeep(t *testing.T) {
	for name, kept := range map[string]bool{"each its own": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			c, made := overTLS(t)
			if kept {
				c = c.Keep()
			}
			ask := func() int64 {
				t.Helper()
				if _, err := c.Survey(t.Context()); err != nil {
					t.Fatal(err)
				}
				return made.Load()
			}
			first := ask()
			ask()
			if last := ask(); first == 0 || (last == first) != kept {
				t.Errorf("%d connections were made for one question, and %d for three", first, last)
			}
			if kept {
				c.keeper.since = c.keeper.since.Add(-2 * keptTime)
				before := c.keeper.link
				if ask(); c.keeper.link == before {
					t.Error("how the server is reached is not looked at again")
				}
			}
		})
	}
}

// overTLS returns a cluster of which nothing is served, and how many connections were made to it.
func overTLS(t *testing.T) (Cluster, *atomic.Int64) {
	t.Helper()
	made := &atomic.Int64{}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return Cluster{Config: &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: trusted}}, limits: patient}, made
}
