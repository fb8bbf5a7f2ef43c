// SPDX-License-Identifier: Apache-2.0

package image

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A trouble is what a failed pull failed on.
type trouble int

const (
	other trouble = iota // TLS, rate limits, disk: not for these rules
	missing
	denied
	unreachable
)

// wordings tell the troubles apart; the first that occurs decides. The network comes first, because a registry that
// nobody reached has said nothing about the image: containerd writes "failed to authorize" when the token server is
// down. The words are those of containerd (core/remotes/docker), of CRI-O (containers/image) and of the registries'
// own error codes (distribution specification).
var wordings = []struct {
	part string
	why  trouble
}{
	{"no match for platform", other},
	{"too many requests", other},
	{"toomanyrequests", other},
	{"the registry is unavailable", unreachable},
	{"no such host", unreachable},
	{"server misbehaving", unreachable},
	{"temporary failure in name resolution", unreachable},
	{"dial tcp", unreachable},
	{"connection refused", unreachable},
	{"connection reset by peer", unreachable},
	{"i/o timeout", unreachable},
	{"no route to host", unreachable},
	{"network is unreachable", unreachable},
	{"tls handshake timeout", unreachable},
	{"500 internal server error", unreachable},
	{"502 bad gateway", unreachable},
	{"503 service unavailable", unreachable},
	{"504 gateway time", unreachable},
	{"pull access denied", denied},
	{"authorization failed", denied},
	{"no basic auth credentials", denied},
	{"authentication required", denied},
	{"access to the resource is denied", denied},
	{"insufficient_scope", denied},
	{"unauthorized", denied},
	{"403 forbidden", denied},
	{"denied: ", denied},
	{"code = notfound", missing},
	{"manifest unknown", missing},
	{"name unknown", missing},
	{"404 not found", missing},
	{": not found", missing},
}

// quoted is an image or an address that an error repeats: a repository may be called "unauthorized".
var quoted = regexp.MustCompile(`"[^"]*"`)

// classify tells what a pull of the image failed on by the words of its error.
func classify(text, image string) trouble {
	text = strings.ReplaceAll(quoted.ReplaceAllString(text, ""), image, "")
	text = strings.ToLower(text)
	for _, w := range wordings {
		if strings.Contains(text, w.part) {
			return w.why
		}
	}
	return other
}

// A pull is the image that a container waits for in vain.
type pull struct {
	image, text string
	why         trouble
	sure        diagnosis.Confidence
	facts       []evidence.Fact
	began       time.Time
}

// failedPull returns the pull that the pass's container waits for. The kubelet's waiting message names the cause; a
// kubelet before 1.29 writes only "Back-off pulling image" every other time, and then the newest Failed Event of the
// container names it (kubernetes pkg/kubelet/images/image_manager.go, pullImage).
func failedPull(p *diagnosis.Pass) (pull, bool) {
	c, waiting, ok := waits(p, "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")
	if !ok {
		return pull{}, false
	}
	f := pull{image: c, text: waiting.Text, sure: diagnosis.Certain, began: began(p)}
	f.facts = []evidence.Fact{waiting, p.CiteSpec("image", c)}
	f.why = classify(f.text, f.image)
	if f.why != other {
		return f, true
	}
	for _, e := range slices.Backward(p.Events("Failed")) {
		if strings.HasPrefix(e.Message, "Failed to pull image") {
			f.text, f.why, f.sure = e.Message, classify(e.Message, f.image), diagnosis.Likely
			f.facts = append(f.facts, e.Fact())
			break
		}
	}
	return f, f.why != other
}

// waits returns the image of the pass's container and why it waits, when that is for one of the reasons.
func waits(p *diagnosis.Pass, reasons ...string) (image string, waiting evidence.Fact, ok bool) {
	c, st := p.Spec(), p.Status()
	if c == nil || st == nil || st.State.Waiting == nil || !slices.Contains(reasons, st.State.Waiting.Reason) {
		return "", evidence.Fact{}, false
	}
	waiting, ok = p.CiteWaiting()
	return c.Image, waiting, ok
}

// began is when the container's first try failed; without Events, when the node took the pod.
func began(p *diagnosis.Pass) time.Time {
	var first time.Time
	for _, e := range p.Events("Failed", "InspectFailed", "ErrImageNeverPull") {
		if first.IsZero() || e.First.Before(first) {
			first = e.First
		}
	}
	if start := p.PodStatus().StartTime; first.IsZero() && start != nil {
		first = start.Time
	}
	return first
}

// registry returns the host that an image comes from. A name without one comes from Docker Hub.
func registry(image string) string {
	host, _, ok := strings.Cut(image, "/")
	if ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return host
	}
	return "docker.io"
}

func (f pull) report(p *diagnosis.Pass, message string, fixes ...diagnosis.Fix) {
	p.Report(diagnosis.Finding{At: f.began, Confidence: f.sure, Message: message, Facts: f.facts, Fixes: fixes})
}
