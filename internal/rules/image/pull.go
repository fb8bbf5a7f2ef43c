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

// A pull is the image that a container waits for in vain.
type pull struct {
	image, text string
	of          string // "container app", "volume models"
	why         trouble
	sure        diagnosis.Confidence
	facts       []evidence.Fact
	began       time.Time
}

// failedPull returns the pull that the pass's container waits for, and false when it waits for none. The kubelet's
// waiting message names the cause; a kubelet before 1.29 writes only "Back-off pulling image" every other time, and then
// the newest Failed Event of the container names it (kubernetes pkg/kubelet/images/image_manager.go, pullImage).
func failedPull(p *diagnosis.Pass) (pull, bool) {
	c, waiting, ok := waits(p, "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed")
	if !ok {
		return pull{}, false
	}
	f := pull{image: c, of: "container " + p.About().Container, text: waiting.Text, sure: diagnosis.Certain, began: began(p)}
	f.facts = []evidence.Fact{waiting, p.CiteSpec("image", c)}
	f.volume(p)
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
	return f, true
}

// volume sets the image to that of an image volume when the error is about one: the container then waits with the
// reasons of its own image (kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go, getImageVolumes).
func (f *pull) volume(p *diagnosis.Pass) {
	if mentions(f.text, f.image) {
		return
	}
	for _, v := range p.PodSpec().Volumes {
		if v.Image != nil && mentions(f.text, v.Image.Reference) {
			f.image, f.of = v.Image.Reference, "volume "+v.Name
			f.facts[1] = evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
				Where: "spec.volumes[" + v.Name + "].image.reference", Text: "reference " + v.Image.Reference,
			}
		}
	}
}

// mentions tells whether a text has the image, and not one whose tag only begins alike.
func mentions(text, image string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(image) + `($|[^\w.-])`).MatchString(text)
}

// waits returns the image of the pass's container and why it waits, when that is for one of the reasons.
func waits(p *diagnosis.Pass, reasons ...string) (image string, waiting evidence.Fact, ok bool) {
	c, st := p.Spec(), p.Status()
	if st == nil || st.State.Waiting == nil || !slices.Contains(reasons, st.State.Waiting.Reason) {
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

// on returns the run of a rule about pulls that failed on one trouble.
func on(why trouble, say func(*diagnosis.Pass, *pull) (message string, fixes []diagnosis.Fix)) func(*diagnosis.Pass) {
	return func(p *diagnosis.Pass) {
		if f, ok := failedPull(p); ok && f.why == why {
			message, fixes := say(p, &f)
			f.report(p, message, fixes...)
		}
	}
}

// pullIfNotPresent is the fix that changes the pull policy: by a patch where there is a workload to patch, else by a person.
func pullIfNotPresent(p *diagnosis.Pass, title string) diagnosis.Fix {
	fix := diagnosis.Fix{Title: title, Patch: p.PatchContainer(map[string]any{"imagePullPolicy": "IfNotPresent"})}
	if fix.Patch != nil {
		fix.Risk = diagnosis.Restart
	}
	return fix
}

func (f *pull) report(p *diagnosis.Pass, message string, fixes ...diagnosis.Fix) {
	p.Report(diagnosis.Finding{At: f.began, Confidence: f.sure, Message: message, Facts: f.facts, Fixes: fixes})
}
