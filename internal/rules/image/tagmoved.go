// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TagMoved recognises a tag that has come to mean another image.
var TagMoved = &diagnosis.Rule{
	ID:    "IMG017",
	Title: "Pods of one template run different images",
	Doc: `
Two pods of the same ReplicaSet name the same tag and run different content: the tag was pushed again between two pulls.
Nobody rolled anything out, and still one pod is of another version than its siblings. It comes up when a pod is
replaced, or starts on a node that did not have the image yet.

**How it is told from its look-alikes.** The digests in status.imageID differ while the image in the spec is the same
and is no digest; the one pod is in trouble, and a sibling of the same template hash that runs other content is Ready.
During a rollout the templates differ, and their hashes. By itself it is no trouble: it is told only where something
follows from it.

**What to do.** Refer to images by digest, or give every build a tag of its own. Compare the two digests to find the
change.

imageID is set by the kubelet from the runtime's image reference (kubernetes pkg/kubelet/kubelet_pods.go).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.RolledOut,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		c, st := p.Spec(), p.Status()
		if st == nil || st.Ready || digest(st.ImageID) == "" || strings.Contains(c.Image, "@") {
			return
		}
		hash := p.PodMeta().Labels["pod-template-hash"]
		for _, sibling := range p.Siblings() {
			other := evidence.ContainerStatus(sibling, c.Name)
			spec := evidence.ContainerSpec(sibling, c.Name)
			if hash == "" || sibling.Labels["pod-template-hash"] != hash || other == nil || !other.Ready ||
				spec.Image != c.Image || digest(other.ImageID) == "" || digest(other.ImageID) == digest(st.ImageID) {
				continue
			}
			p.Report(diagnosis.Finding{
				At: p.PodMeta().CreationTimestamp.Time, Confidence: diagnosis.Likely,
				Facts:   []evidence.Fact{runs(p.About(), p.StatusPath(), st.ImageID), runs(evidence.RefOf(sibling).InContainer(c.Name), evidence.StatusPath(sibling, c.Name), other.ImageID), p.CiteSpec("image", c.Image)},
				Message: fmt.Sprintf("container %s runs other content under the tag %s than the same container of pod %s, which is ready", c.Name, c.Image, sibling.Name),
				Fixes:   []diagnosis.Fix{{Title: fmt.Sprintf("Refer to the image by the digest that works: %s", digest(other.ImageID))}},
			})
			return
		}
	},
}

// digest returns the digest in an image id: "docker.io/library/web@sha256:…", "docker-pullable://web@sha256:…".
func digest(id string) string {
	_, d, _ := strings.Cut(id, "@")
	return d
}

func runs(about evidence.Ref, where, id string) evidence.Fact {
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: about,
		Where: where + ".imageID", Text: "imageID " + id,
	}
}
