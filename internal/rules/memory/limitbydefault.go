// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// LimitByDefault recognises a memory limit that nobody wrote into the manifest.
var LimitByDefault = &diagnosis.Rule{
	ID:    "MEM016",
	Title: "Memory limit came from the namespace's LimitRange",
	Doc: `
The container was killed at a memory limit that its manifest does not have: the admission of the pod put it in, as the default that a
LimitRange of the namespace gives to containers without a limit. Who reads the manifest sees no limit, and raising the
container's request alone changes nothing.

**How it is told from its look-alikes.** The admission plugin notes in an annotation of the pod which fields it set
(kubernetes plugin/pkg/admission/limitranger). Without that note, or with one about another container or about CPU, the limit is the
manifest's own.

**What to do.** Set the container's own memory limit in its workload, or change the default of the LimitRange.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host | evidence.Usage,
	Effect:   diagnosis.MemoryMisfit,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		note := p.PodMeta().Annotations["kubernetes.io/limit-ranger"]
		if d.limit == nil || !slices.Contains([]class{ownLimit, belowInit}, d.class) || !setLimit(note, d.Of.Container) {
			return
		}
		f := diagnosis.Finding{
			At: p.PodMeta().CreationTimestamp.Time, Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("the memory limit of %s of container %s is the default of a LimitRange in namespace %s, not the manifest's", d.limit, d.Of.Container, d.Of.Namespace),
			Facts: []evidence.Fact{{
				Kind: evidence.Status, Source: evidence.FromStatus, About: d.Of.Object(), Where: "metadata.annotations[kubernetes.io/limit-ranger]", Text: "kubernetes.io/limit-ranger " + note,
			}, d.Fact()},
			Fixes: []diagnosis.Fix{raise(p, d.limit)},
		}
		for _, r := range diagnosis.List[*corev1.LimitRange](p, evidence.RefTo("Namespace", "", d.Of.Namespace)) {
			f.Fixes = append(f.Fixes, diagnosis.Fix{
				Title: "Change the default memory limit of LimitRange " + r.Name, Command: fmt.Sprintf("kubectl -n %s edit limitrange %s", r.Namespace, r.Name),
			})
		}
		p.Report(f)
	},
}

// limitSet is the part of the admission plugin's note that says of which containers it set the memory limit: "LimitRanger
// plugin set: cpu request for container app; cpu, memory limit for container app".
var limitSet = regex.New(`[ ,]memory(?:, [^;]*)? limit for (?:init )?container ([^ ;]+)`)

func setLimit(note, container string) bool {
	return slices.ContainsFunc(limitSet.FindAllStringSubmatch(note, -1), func(m []string) bool { return m[1] == container })
}
