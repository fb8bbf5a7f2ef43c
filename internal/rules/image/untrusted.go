// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Untrusted recognises a registry whose certificate or protocol the node does not accept.
var Untrusted = &diagnosis.Rule{
	ID:    "IMG007",
	Title: "Registry and node do not agree on TLS",
	Doc: `
The node's runtime reached something at the registry's address and could not agree with it on TLS: the certificate is
signed by an authority that the node does not know, is expired, or is for another name; or one side speaks HTTPS and the
other HTTP.

**How it is told from its look-alikes.** By the words of Go's crypto/x509 and crypto/tls in the pull error. A handshake
that timed out is the network's doing (IMG003). What the pod trusts does not count: the node pulls, with the node's
trust store and the runtime's registry configuration, and an insecure-registry entry on one node does not help the next.

**What to do.** For an unknown authority give the nodes its certificate (containerd: certs.d/HOST/hosts.toml with ca;
CRI-O and dockerd: certs.d/HOST/ca.crt). For HTTP declare the registry with an http:// address there. For an expired
certificate or a wrong name repair the registry.

The strings are those of Go's crypto/x509, crypto/tls and net/http as the runtimes pass them on.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.CertExpired, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(untrusted, func(p *diagnosis.Pass, f *pull) (string, []diagnosis.Fix) {
		host := registry(f.image)
		why, fix := distrust(f.text)
		return fmt.Sprintf("node %s cannot pull image %s of %s: %s", p.NodeName(), f.image, f.of, fmt.Sprintf(why, host)),
			[]diagnosis.Fix{{Title: fmt.Sprintf(fix, host)}}
	}),
}

// distrust says in plain words what node and registry do not agree on, and what a person does about it.
func distrust(text string) (why, fix string) {
	for _, d := range []struct{ part, why, fix string }{
		{"HTTP response to HTTPS client", "registry %s speaks plain HTTP, and the node's runtime expects HTTPS",
			"Serve %s over HTTPS, or declare it as an http:// registry in the runtime's configuration of each node"},
		{"first record does not look like", "registry %s does not speak TLS on this port", "Correct the port of %s, or declare it as an http:// registry on each node"},
		{"HTTP request to an HTTPS server", "registry %s speaks HTTPS, and the node's runtime is told to use plain HTTP",
			"Remove the http:// entry for %s from the runtime's configuration of each node"},
		{"malformed HTTP response", "registry %s speaks HTTPS, and the node's runtime is told to use plain HTTP",
			"Remove the http:// entry for %s from the runtime's configuration of each node"},
		{"has expired", "the certificate of registry %s has expired or is not valid yet by the node's clock", "Renew the certificate of %s, and compare the node's clock"},
		{"unknown authority", "the certificate of registry %s is signed by an authority that the node does not know",
			"Give each node the certificate of the authority that signed for %s, in the runtime's certs.d"},
		{"valid for", "the certificate of registry %s is for another name", "Use the name in the certificate of %s, or have one issued for this name"},
		{"doesn't contain any IP SANs", "the certificate of registry %s names no address, and the image names one", "Refer to %s by the name in its certificate"},
		{"legacy Common Name", "the certificate of registry %s has its name in the old place alone (Common Name)", "Have the certificate of %s issued again with a subject alternative name"},
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(d.part)) {
			return d.why, d.fix
		}
	}
	return "it cannot agree on TLS with registry %s", "Compare the certificate and the TLS settings of %s with the runtime's configuration on the node"
}
