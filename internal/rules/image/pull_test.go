// SPDX-License-Identifier: Apache-2.0

package image

import "testing"

func TestClassify(t *testing.T) {
	tests := []struct {
		text string
		want trouble
	}{
		{`failed to authorize: failed to fetch anonymous token: Get "https://auth.example.com/token": dial tcp: lookup auth.example.com: no such host`, unreachable},
		{`failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 403 Forbidden`, denied},
		{`reading manifest v9 in docker.io/library/web: requested access to the resource is denied`, denied},
		{`reading manifest v9 in docker.io/library/web: manifest unknown`, missing},
		{`image pull failed for web:v9 because the registry is unavailable: connect`, unreachable},
		{`rpc error: code = NotFound desc = failed to pull and unpack image "web:v9": no match for platform in manifest: not found`, other},
		{`unexpected status from HEAD request to "https://registry-1.docker.io/v2/library/web/manifests/v9": 429 Too Many Requests`, other},
		{`failed to do request: Head "https://r.example.com/v2/unauthorized/manifests/v9": tls: failed to verify certificate: x509: certificate signed by unknown authority`, other},
		{`failed to resolve reference unauthorized:v9: unexpected EOF`, other},
	}
	for _, test := range tests {
		if got := classify(test.text, "unauthorized:v9"); got != test.want {
			t.Errorf("classify(%q) = %d, want %d", test.text, got, test.want)
		}
	}
}

func TestRegistry(t *testing.T) {
	for image, want := range map[string]string{
		"nginx": "docker.io", "library/nginx:1": "docker.io", "localhost/web": "localhost",
		"ghcr.io/a/b@sha256:0": "ghcr.io", "127.0.0.1:5000/web": "127.0.0.1:5000",
	} {
		if got := registry(image); got != want {
			t.Errorf("registry(%q) = %q, want %q", image, got, want)
		}
	}
}
