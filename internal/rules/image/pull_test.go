// SPDX-License-Identifier: Apache-2.0

package image

import (
	"strings"
	"testing"
)

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
		{`rpc error: code = NotFound desc = failed to pull and unpack image "web:v9": no match for platform in manifest: not found`, platform},
		{`unexpected status from HEAD request to "https://registry-1.docker.io/v2/library/web/manifests/v9": 429 Too Many Requests`, limited},
		{`failed to do request: Head "https://r.example.com/v2/unauthorized/manifests/v9": tls: failed to verify certificate: x509: certificate signed by unknown authority`, untrusted},
		{`Error response from daemon: manifest for web:v9 not found: manifest unknown: manifest unknown`, missing},
		{`Error: image library/web:v9 not found`, missing},
		{`Error response from daemon: repository web not found: does not exist or no pull access`, denied},
		{`Error response from daemon: pull access denied for web, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`, denied},
		{`pulling from host 1.dkr.ecr.eu-west-1.amazonaws.com failed with status code [manifests v9]: 401 Unauthorized`, denied},
		{`denied: Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "projects/p" (or it may not exist)`, denied},
		{`initializing source docker://r.example.com/web:v9: pinging container registry r.example.com: Get "https://r.example.com/v2/": dial tcp 10.0.0.1:443: connect: connection refused`, unreachable},
		{`Error response from daemon: Get "https://r.example.com/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`, unreachable},
		{`failed to do request: Head "https://r.example.com/v2/web/manifests/v9": EOF`, unreachable},
		{`failed to do request: Head "https://r.example.com/v2/web/manifests/v9": http: server gave HTTP response to HTTPS client`, untrusted},
		{`no matching manifest for linux/arm64/v8 in the manifest list entries`, platform},
		{`choosing image instance: no image found in image index for architecture "arm64", variant "v8", OS "linux"`, platform},
		{`Source image rejected: A signature was required, but no signature exists`, unsigned},
		{`failed to extract layer sha256:1: write /usr/lib/a: no space left on device: unknown`, full},
		{`failed to register layer: Error processing tar file(exit status 1): write /a: no space left on device`, full},
		{`failed to register layer: Error processing tar file(exit status 1): unexpected EOF`, corrupt},
		{`failed commit on ref "layer-sha256:1": unexpected commit digest sha256:2, expected sha256:1: failed precondition`, corrupt},
		{`failed to copy: httpReadSeeker: failed open: failed to do request: context canceled`, timedOut},
		{`rpc error: code = DeadlineExceeded desc = context deadline exceeded`, timedOut},
		{`not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.1, please rebuild`, outdated},
		{`short-name "web:v9" did not resolve to an alias and no unqualified-search registries are defined in "/etc/containers/registries.conf"`, unqualified},
		{`error getting credentials - err: exec: "docker-credential-ecr-login": executable file not found in $PATH, out:`, other},
		{`failed to resolve reference unauthorized:v9: unexpected EOF`, unreachable},
	}
	for _, test := range tests {
		if got := classify(test.text, "unauthorized:v9"); got != test.want {
			t.Errorf("classify(%q) = %q, want %q", test.text, got, test.want)
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

func TestSaid(t *testing.T) {
	for text, want := range map[string]string{
		`reason ImagePullBackOff, message Back-off pulling image "a:1"`:                                                            "",
		`reason ImagePullBackOff, message Back-off pulling image "a:1": ErrImagePull: failed to pull and unpack image "a:1": boom`: "boom",
		`Failed to pull image "a:1": rpc error: code = Unknown desc = Error response from daemon: boom`:                            "boom",
		`reason ImageInspectError`: "",
	} {
		if got := said(text); got != want {
			t.Errorf("said(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFailure(t *testing.T) {
	for text, want := range map[string]string{
		`dial tcp: lookup r.example.com on 10.0.0.2:53: no such host`:      "the name r.example.com does not resolve at the node's resolver 10.0.0.2",
		`dial tcp: lookup r.example.com: no such host`:                     "the name r.example.com does not resolve",
		`dial tcp 10.0.0.1:443: connect: connection refused`:               "the connection to 10.0.0.1:443 was refused",
		`read: connection reset by peer`:                                   "the connection was reset",
		`image pull failed for a:1 because the registry is unavailable: x`: "the runtime calls it unavailable",
		`unexpected status: 503 Service Unavailable`:                       "it answers with a server error",
	} {
		if got := failure(text); got != want {
			t.Errorf("failure(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	if got := short("boom."); got != "boom" {
		t.Errorf("%q", got)
	}
	if got := short(strings.Repeat("long ", 99)); len(got) > 210 {
		t.Errorf("%d bytes", len(got))
	}
}
