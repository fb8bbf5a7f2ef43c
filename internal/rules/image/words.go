// SPDX-License-Identifier: Apache-2.0

package image

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A trouble is what a failed pull failed on.
type trouble string

const (
	other       trouble = ""
	missing     trouble = "missing"
	denied      trouble = "denied"
	unreachable trouble = "unreachable"
	limited     trouble = "limited"
	untrusted   trouble = "untrusted"
	platform    trouble = "platform"
	unsigned    trouble = "unsigned"
	full        trouble = "full"
	timedOut    trouble = "timed out"
	corrupt     trouble = "corrupt"
	outdated    trouble = "outdated"
	unqualified trouble = "unqualified"
)

// wordings tell the troubles apart; the first that occurs decides. What is about the content of an image comes before
// the network, because an error that quotes a layer's size may also quote a status; and the network comes before the
// registry's answers, because a registry that nobody reached has said nothing about the image: containerd writes "failed
// to authorize" when the token server is down. The words are those of containerd (core/remotes/docker, core/unpack), of
// CRI-O (containers/image), of dockerd (distribution, layer), of Go's net, crypto/tls and crypto/x509, and of the
// registries' own error codes (distribution specification).
var wordings = []struct {
	why   trouble
	parts []string
}{
	{other, []string{"executable file not found", "error getting credentials", "error reading from server", "transport is closing"}}, // of the node: a credential helper, the runtime
	{platform, []string{"no match for platform", "no matching manifest for", "no image found in image index for", "no image found in manifest list for"}},
	{limited, []string{"too many requests", "toomanyrequests", "pull rate limit"}},
	{unsigned, []string{"signature validation failed", "signaturevalidationfailed", "source image rejected", "a signature was required", "remote trust data does not exist"}},
	{full, []string{"no space left on device", "disk quota exceeded"}},
	{outdated, []string{"is no longer supported since containerd", "schema 1 support", "unsupported schema version 1", "manifest schema 1", "docker image format v1"}},
	{unqualified, []string{"unqualified-search registries", "short name mode is enforcing"}},
	{untrusted, []string{
		"x509:", "failed to verify certificate", "server gave http response to https client", "sent an http request to an https server",
		"first record does not look like a tls handshake", "remote error: tls", "malformed http response", "tls: handshake failure", "certificate has expired",
	}},
	{unreachable, []string{
		"the registry is unavailable", "no such host", "server misbehaving", "temporary failure in name resolution", "dial tcp",
		"connection refused", "connection reset by peer", "i/o timeout", "no route to host", "network is unreachable",
		"tls handshake timeout", "client.timeout exceeded", "request canceled while waiting for connection", "broken pipe",
		"500 internal server error", "502 bad gateway", "503 service unavailable", "504 gateway time", "status code 50",
	}},
	{corrupt, []string{
		"unexpected commit digest", "failed size validation", "digest did not match", "digest mismatch", "verification failed for digest",
		"invalid tar header", "gzip: invalid header", "short read", "failed to register layer", "failed to extract layer", "error processing tar file",
		"mismatched image rootfs and manifest layers", "flate: corrupt input",
	}},
	{unreachable, []string{"unexpected eof", ": eof"}},
	{timedOut, []string{"context deadline exceeded", "context canceled", "deadlineexceeded", "pull progress"}},
	{denied, []string{
		"pull access denied", "no pull access", "authorization failed", "no basic auth credentials", "authentication required", "authentication is required",
		"access to the resource is denied", "requested resource is not authorized", "insufficient_scope", "unauthorized", "unauthenticated",
		"403 forbidden", "status code 403", "401 (", "403 (", "denied: ", "denied on resource", "not authorized to perform", "invalid username/password",
	}},
	{missing, []string{
		"code = notfound", "manifest unknown", "name unknown", "manifest_unknown", "name_unknown", "404 not found", "http 404 response", "status code 404", "404 (not found)",
		"not found", "does not exist",
	}},
}

// quoted is an image or an address that an error repeats: a repository may be called "unauthorized".
var quoted = regex.New(`"[^"]*"`)

// classify tells what a pull of the image failed on by the words of its error.
func classify(text, image string) trouble {
	text = strings.ReplaceAll(quoted.ReplaceAllString(text, ""), image, "")
	text = strings.ToLower(text)
	for _, w := range wordings {
		for _, part := range w.parts {
			if !strings.Contains(text, part) {
				continue
			}
			if w.why == timedOut && strings.Contains(text, "failed to resolve") {
				return unreachable // nothing came at all
			}
			return w.why
		}
	}
	return other
}

// layers are what the parts of a node put before the error of the one below.
var layers = regex.New(`^(reason \w+(, message )?|Back-off pulling image "[^"]*"(: )?|ErrImagePull: |\[?Failed to pull image "[^"]*": |` +
	`Failed to inspect image "[^"]*": |\[?rpc error: code = \w+ desc = |Error response from daemon: |unable to pull image or OCI artifact: |` +
	`(failed to )?pull and unpack image "[^"]*": |failed to resolve (image|reference "[^"]*"): )`)

// said returns what the runtime said, without the layers that passed it on; empty when nobody gave a reason.
func said(text string) string {
	for {
		layer := layers.FindString(text)
		if layer == "" {
			return strings.TrimSpace(text)
		}
		text = strings.TrimPrefix(text, layer)
	}
}

// short returns what the runtime said, cut to what fits a sentence.
func short(text string) string {
	const most = 200
	text = strings.TrimSuffix(said(text), ".")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
