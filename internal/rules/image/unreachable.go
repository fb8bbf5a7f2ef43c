// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Unreachable recognises a node that gets no answer from the registry.
var Unreachable = &diagnosis.Rule{
	ID:    "IMG003",
	Title: "Registry cannot be reached from the node",
	Doc: `
The node's runtime got no useful answer from the registry: the host name did not resolve, the connection was refused,
reset or timed out, or the registry answered with a server error. The node asks, not the pod: the node's resolver,
routes, proxy and firewall count; CoreDNS, Services and NetworkPolicies do not.

**How it is told from its look-alikes.** By the words of the pull error. A failed look-up of the registry's host says
"no such host", which is not the registry's "not found": the image may well exist (IMG001 is for those that do not).
"Failed to authorize" with a network error behind it means that the token server is down, not that the credentials are
wrong (IMG002). Certificates that are not trusted are IMG007: there was an answer. Where the container has run on this
node before, and need not pull what is there, the image was there and is gone: garbage collection or a person removed
it.

**What to do.** See whether other pods of the node, and other nodes, fail on the same registry. One registry on all
nodes: it is down, or misspelt. All registries on one node: look at the node's network and resolver.

The strings are those of Go's net package as containerd passes them on, recorded from Kubernetes 1.37 with containerd
2.4; the reason RegistryUnavailable is in kubernetes pkg/kubelet/images/image_manager.go, evalCRIPullErr.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ImageUnavailable,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.NameUnresolved, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		f, _ := failedPull(p)
		if f.why != unreachable {
			return
		}
		node, host := p.NodeName(), registry(f.image)
		message := fmt.Sprintf("node %s gets no answer from registry %s for image %s of %s: %s", node, host, f.image, f.of, failure(f.text))
		if strings.HasPrefix(failure(f.text), "it answers") {
			message = fmt.Sprintf("registry %s answers node %s with a server error for image %s of %s", host, node, f.image, f.of)
		}
		if removed(p, &f) {
			message += "; the node had the image before, and it was removed"
		}
		f.report(p, message, diagnosis.Fix{
			Title:   fmt.Sprintf("Check whether other nodes reach %s; if so repair the network of node %s, else the registry or its name", host, node),
			Command: "kubectl get events -A --field-selector type=Warning,reason=Failed",
		})
	},
}

// removed tells whether the image was on the node when the container ran there before, and cites what shows it.
func removed(p *diagnosis.Pass, f *pull) bool {
	runs := p.Attempts()
	if c := p.Spec(); len(runs) == 0 || c.Image != f.image || c.ImagePullPolicy == "Always" {
		return false
	}
	f.facts = append(f.facts, runs[len(runs)-1].Fact())
	for _, e := range p.NodeEvents("ImageGCFailed", "FreeDiskSpaceFailed") {
		f.facts = append(f.facts, e.Fact())
	}
	return true
}

var (
	lookup = regex.New(`lookup (\S+?)(?: on (\S+?))?:`)
	dial   = regex.New(`dial tcp (\S+?):? `)
)

// failure says in plain words what happened to the connection.
func failure(text string) string {
	if m := lookup.FindStringSubmatch(text); m != nil {
		if m[2] != "" {
			return fmt.Sprintf("the name %s does not resolve at the node's resolver %s", m[1], m[2])
		}
		return fmt.Sprintf("the name %s does not resolve", m[1])
	}
	to := "the connection"
	if m := dial.FindStringSubmatch(text); m != nil {
		to = "the connection to " + m[1]
	}
	text = strings.ToLower(text)
	for _, f := range []struct{ part, says string }{
		{"connection refused", "was refused"},
		{"connection reset", "was reset"},
		{"no route to host", "found no route"},
		{"network is unreachable", "found no route"},
		{"timeout", "timed out"},
		{"request canceled while waiting", "timed out"},
		{"context deadline exceeded", "brought no answer in time"},
		{": eof", "was closed at the other end"},
		{"unexpected eof", "was closed at the other end"},
		{"broken pipe", "was closed at the other end"},
	} {
		if strings.Contains(text, f.part) {
			return to + " " + f.says
		}
	}
	if strings.Contains(text, "the registry is unavailable") {
		return "the runtime calls it unavailable"
	}
	return "it answers with a server error"
}
