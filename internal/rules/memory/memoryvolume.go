// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// MemoryVolume recognises a volume in memory that fills up the memory limit of the containers that write to it.
var MemoryVolume = &diagnosis.Rule{
	ID:    "MEM014",
	Title: "Files in a volume of medium Memory fill up the memory limit",
	Doc: `
An emptyDir of medium Memory is a tmpfs: its files are memory, charged to the container that wrote them. They live as long as the pod, so
that a container that is restarted begins with the files of the run before already counted, and dies sooner each time,
until the pod is made anew.

**How it is told from its look-alikes.** The container was killed at its own or its pod's limit and mounts such a volume whose size is not
limited below the memory limit. The kernel's record tells for sure: most of what the victim held was shared memory. Where more than
half of the limit was the victim's own, it was not the volume.
Without it the finding needs a container that has died again after a restart, and is only possible; or one that cannot even be
started any more under a limit that it could be started under before, and is likely; where the runtime does not say for want of what, and nobody heard the kernel, it is possible. A volume with a sizeLimit well
below the memory limit cannot fill it; a volume on disk does not count.

**What to do.** Delete the pod once, to clear it. Give the volume a sizeLimit that leaves room for the program, remove old files, or
use a volume on disk.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host | evidence.Usage,
	Effect:   diagnosis.MemoryMisfit,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		volume := inMemory(p)
		full, gone := d.class == belowInit && d.roomy(), d.initGone(p)
		if !slices.Contains([]class{ownLimit, podLimit}, d.class) && !full && !gone || volume == nil {
			return
		}
		k, _ := d.victim()
		shared := k.shmem > k.anon
		if own := k.anon<<10 > anyLimit(p)/2; !shared && (own || d.Of.Attempt == 0) {
			return
		}
		f := diagnosis.Finding{
			At: began(p, &d), Confidence: diagnosis.Possible,
			Message: fmt.Sprintf("volume %s is memory, counts against the limit of container %s and survives its restarts", volume.Name, d.Of.Container),
			Facts: append([]evidence.Fact{{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: d.Of.Object(), Where: "spec.volumes[" + volume.Name + "].emptyDir.medium", Text: "medium Memory",
			}, d.Fact()}, d.killFacts()...),
			Fixes: []diagnosis.Fix{
				{
					Title: fmt.Sprintf("Keep volume %s on disk instead of in memory", volume.Name), Risk: diagnosis.Restart,
					Patch: p.PatchPodSpec(map[string]any{"volumes": []any{map[string]any{"name": volume.Name, "emptyDir": map[string]any{"medium": nil}}}}),
				},
				{Title: fmt.Sprintf("Give volume %s a sizeLimit that leaves room for the program", volume.Name), Risk: diagnosis.Restart},
				{Title: "Delete the pod once: only that empties the volume", Risk: diagnosis.Restart, Command: fmt.Sprintf("kubectl -n %s delete pod %s", d.Of.Namespace, d.Of.Name)},
			},
		}
		if full {
			f.Confidence = diagnosis.Likely
			f.Message += "; it holds so much that not even the container's start has room any more"
		}
		if gone {
			f.Message += "; when it is full not even the container's start has room, and the runtime finds its own process gone"
		}
		if shared {
			f.Confidence = diagnosis.Likely
			f.Message += fmt.Sprintf("; %s of what it held was such memory", mebibytes(k.shmem))
		}
		d.unsure(&f)
		p.Report(f)
	},
}

// began is when the run began, or the pod did where the run never started.
func began(p *diagnosis.Pass, d *death) time.Time {
	if d.Started.IsZero() {
		return cmp.Or(p.PodStatus().StartTime, &metav1.Time{}).Time
	}
	return d.Started
}

// anyLimit is the memory limit of the container in bytes, else that of its pod; 0 without one.
func anyLimit(p *diagnosis.Pass) int64 {
	return cmp.Or(limitOf(p), sharedLimit(p), &resource.Quantity{}).Value()
}

// inMemory returns a volume of medium Memory that the pass's container mounts and that may grow to its memory limit.
func inMemory(p *diagnosis.Pass) *corev1.Volume {
	volumes := p.PodSpec().Volumes
	for _, m := range specOf(p).VolumeMounts {
		for i := range volumes {
			v := &volumes[i]
			if v.Name != m.Name || v.EmptyDir == nil || v.EmptyDir.Medium != corev1.StorageMediumMemory {
				continue
			}
			size := v.EmptyDir.SizeLimit
			if size == nil || size.Value() >= anyLimit(p)/2 {
				return v
			}
		}
	}
	return nil
}
