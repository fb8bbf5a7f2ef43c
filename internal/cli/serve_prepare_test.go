// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/watch"
)

// TestReach holds that what is watched much is asked for by HTTP/1.1, and the rest, whose connections have to be found dead by HTTP/2,
// by that.
func TestReach(t *testing.T) {
	var protocols []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.Proto+" "+r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	r := &watch.Recorder{}
	if err := reach(&rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, r); err != nil {
		t.Fatal(err)
	}
	for _, client := range []rest.Interface{r.Client, r.Pods, r.Leases} {
		body, err := client.Get().Resource("things").Stream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	want := []string{"HTTP/2.0 /api/v1/things", "HTTP/1.1 /api/v1/things", "HTTP/1.1 /apis/coordination.k8s.io/v1/things"}
	if diff := cmp.Diff(want, protocols); diff != "" {
		t.Error(diff)
	}
}
