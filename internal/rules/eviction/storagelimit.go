// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// StorageLimit recognises a pod that its kubelet evicted because it took more local storage than it may.
var StorageLimit = &diagnosis.Rule{
	ID:    "EVC002",
	Title: "Pod used more local storage than its limit",
	Doc: `
The pod wrote more to the node's disk than one of its own limits allows: the ephemeral-storage limit of a container (its
writable layer and logs), the sum of these limits (with emptyDir volumes), or the sizeLimit of an emptyDir. The kubelet
measures about once a minute and then ends the whole pod without grace. The pod is Failed for good; its controller makes a
new one, which fills up again.

**How it is told from its look-alikes.** The pod's status has the reason Evicted and names the limit. "The node was low on
resource: ephemeral-storage" is the node's need and not the pod's fault (EVC001). The containers' own ends mean nothing
here: they may be an exit code of the program, or ContainerStatusUnknown with a made-up 137.

**What to do.** Find what grows: logs written to files, caches, temporary files that nobody deletes. Raise the limit if
the need is real, or use a volume of its own. An emptyDir of medium Memory counts as memory, too.

The messages are written in kubernetes pkg/kubelet/eviction/helpers.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		e := read(p)
		var what string
		var fix diagnosis.Fix
		switch {
		case emptyDirOver.MatchString(e.message):
			m := emptyDirOver.FindStringSubmatch(e.message)
			what = fmt.Sprintf("its emptyDir volume %s grew beyond its sizeLimit of %s", m[1], m[2])
			e.facts = append(e.facts, p.CiteSpec("volumes["+m[1]+"].emptyDir.sizeLimit", m[2]))
			fix = raise(p, "the sizeLimit of volume "+m[1], m[2], func(to string) map[string]any {
				return map[string]any{"volumes": []any{map[string]any{"name": m[1], "emptyDir": map[string]any{"sizeLimit": to}}}}
			})
		case containerOver.MatchString(e.message):
			m := containerOver.FindStringSubmatch(e.message)
			what = fmt.Sprintf("container %s wrote more than its ephemeral-storage limit of %s", m[1], m[2])
			e.facts = append(e.facts, limits(p, m[1])...)
			fix = raise(p, "the ephemeral-storage limit of container "+m[1], m[2], func(to string) map[string]any {
				limit := map[string]any{"limits": map[string]any{"ephemeral-storage": to}}
				return map[string]any{"containers": []any{map[string]any{"name": m[1], "resources": limit}}}
			})
		case podOver.MatchString(e.message):
			m := podOver.FindStringSubmatch(e.message)
			what = fmt.Sprintf("its containers and emptyDir volumes together took more than the %s of ephemeral storage that its limits add up to", m[1])
			e.facts = append(e.facts, limits(p, "")...)
			fix = diagnosis.Fix{Title: "Raise the ephemeral-storage limits, or write less to the writable layers, logs and emptyDir volumes"}
		default:
			return
		}
		p.Report(diagnosis.Finding{
			At: e.at, Confidence: diagnosis.Certain, Facts: e.facts, Fixes: []diagnosis.Fix{fix},
			Message: fmt.Sprintf("pod %s was evicted: %s", p.About().Name, what),
		})
	},
}

var (
	emptyDirOver  = regex.New(`^Usage of EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"`)
	containerOver = regex.New(`^Container (\S+) exceeded its local ephemeral storage limit "([^"]+)"`)
	podOver       = regex.New(`^Pod ephemeral local storage usage exceeds the total limit of containers (\S+)\.`)
)

// raise proposes twice the limit: how much the pod would have written is not known.
func raise(p *diagnosis.Pass, what, from string, fields func(to string) map[string]any) diagnosis.Fix {
	q, _ := resource.ParseQuantity(from) // the kubelet prints it
	q.Add(q)
	fix := diagnosis.Fix{
		Title: fmt.Sprintf("Raise %s from %s to %s, if the need is real", what, from, q.String()),
		Patch: p.PatchPodSpec(fields(q.String())),
	}
	if fix.Patch != nil {
		fix.Risk = diagnosis.Restart
	}
	return fix
}

// limits cites the ephemeral-storage limit of a container; of all containers where the name is empty.
func limits(p *diagnosis.Pass, container string) []evidence.Fact {
	var facts []evidence.Fact
	for _, c := range p.PodSpec().Containers {
		if q, ok := c.Resources.Limits[corev1.ResourceEphemeralStorage]; ok && (container == "" || c.Name == container) {
			facts = append(facts, p.CiteSpec("containers["+c.Name+"].resources.limits.ephemeral-storage", q.String()))
		}
	}
	return facts
}
