// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandlerRefuses(t *testing.T) {
	handler := Handler()
	for _, c := range []struct {
		path, authorization string
		status              int
		challenge           string
	}{
		{"/v2/", "", 200, ""},
		{"/token?scope=x", "", 200, ""},
		{"/v2/missing/app/manifests/v1", "", 404, ""},
		{"/v2/team/app/manifests/v1", "", 404, ""},
		{"/v2/private/app/manifests/v1", "", 401, `scope="repository:private/app:pull"`},
		{"/v2/private/app/manifests/v1", "Bearer anonymous", 401, `error="insufficient_scope"`},
		{"/v2/denied/app/manifests/v1", "", 401, "Basic"},
		{"/v2/forbidden/app/manifests/v1", "", 403, ""},
		{"/v2/limited/app/manifests/v1", "", 429, ""},
		{"/v2/broken/app/manifests/v1", "", 500, ""},
		{"/v2/app/blobs/sha256:0", "", 404, ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.lab:5000"+c.path, nil)
		r.Header.Set("Authorization", c.authorization)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Header().Get("WWW-Authenticate"), c.challenge) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
}

// query asks for the name, made of labels.
func query(kind byte, labels ...string) []byte {
	q := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range labels {
		q = append(append(q, byte(len(l))), l...)
	}
	return append(q, 0, 0, kind, 0, 1)
}

func TestAnswer(t *testing.T) {
	hosts := map[string]net.IP{"registry.lab": net.ParseIP("10.98.0.1")}
	const aaaa = 28
	for name, c := range map[string]struct {
		query   []byte
		code    byte
		answers byte
		last    byte
	}{
		"known":           {query(typeA, "registry", "lab"), 0, 1, 1},
		"in capitals":     {query(typeA, "Registry", "LAB"), 0, 1, 1},
		"of another type": {query(aaaa, "registry", "lab"), 0, 0, 1},
		"unknown":         {query(typeA, "registry", "nowhere"), codeNameError, 0, 1},
	} {
		reply, err := answer(c.query, hosts)
		if err != nil {
			t.Fatal(err)
		}
		if reply[0] != 0x12 || reply[2]&0x80 == 0 || reply[3]&0xf != c.code || reply[7] != c.answers || reply[len(reply)-1] != c.last {
			t.Errorf("%s: % x", name, reply)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(query(typeA, "registry", "lab"))
	f.Add([]byte{})
	f.Add(query(typeA, strings.Repeat("x", 64)))
	hosts := map[string]net.IP{"registry.lab": net.ParseIP("10.98.0.1")}
	f.Fuzz(func(t *testing.T, data []byte) {
		if reply, err := answer(data, hosts); err == nil && len(reply) > len(data)+16 {
			t.Errorf("a query of %d bytes gave %d", len(data), len(reply))
		}
	})
}
