// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// VolumeFull recognises a process that ended because a volume that it writes to is full.
var VolumeFull = &diagnosis.Rule{
	ID:    "STO021",
	Title: "Volume is full",
	Doc: `
The process wrote to a volume and was told that there is no space left, and ended. A start again does not help: most programs
need to write something before they run. Full is either the space, or the number of files that the file system can have.

**How it is told from its look-alikes.** The error at the end of the log says "no space left on device" (or "disk quota exceeded")
about a path below one of the container's mounts. The same words about inotify watches or semaphores mean a limit of the
kernel and no disk; about a path outside all volumes they mean the node's disk. From the log alone the finding is possible;
where the kubelet's figures for the claim agree, likely, and they tell space from inodes.

**What to do.** Make the claim larger, if its StorageClass allows, or remove what is no longer needed. Inodes are as many as the
file system was made with.

The figures are kubelet_volume_stats_available_bytes, _capacity_bytes, _inodes_free and _inodes (kubernetes pkg/kubelet/
metrics/collectors/volume_stats.go).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Logs | evidence.Usage,
	Effect:   diagnosis.StorageFull,
	CausedBy: []diagnosis.Effect{diagnosis.VolumeFailed, diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		c, ok := complains(p, "no space left on device", "enospc", "disk quota exceeded", "not enough space", "disk full")
		if lower := strings.ToLower(c.line); !ok || strings.Contains(lower, "inotify") || strings.Contains(lower, "watch") {
			return
		}
		what := c.what(p)
		f := c.finding(p, fmt.Sprintf("container %s ended because %s, mounted at %s, is full", p.About().Container, what, c.mount.MountPath))
		claim := c.claim(p)
		if usage, said := fullness(p, claim); said != "" {
			f.Confidence, f.Facts = diagnosis.Likely, append(f.Facts, usage...)
			f.Message += ": " + said
		}
		f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Remove what is no longer needed below %s, and bound what the program keeps there", c.mount.MountPath)}}
		if pvc, ok := p.Object(claim).(*corev1.PersistentVolumeClaim); ok {
			f.Fixes = append([]diagnosis.Fix{larger(p, pvc)}, f.Fixes...)
		}
		p.Report(f)
	},
}

// larger proposes to double the claim, which the API server refuses where its StorageClass does not allow that.
func larger(p *diagnosis.Pass, pvc *corev1.PersistentVolumeClaim) diagnosis.Fix {
	size := pvc.Spec.Resources.Requests[corev1.ResourceStorage]
	size.Add(size)
	name := pvc.Spec.StorageClassName
	if name == nil || *name == "" {
		return diagnosis.Fix{Title: fmt.Sprintf("Move to a claim of %s: claim %s has no StorageClass, and only one that a class provisions can grow", size.String(), pvc.Name)}
	}
	if p.Absent(evidence.RefTo("StorageClass", "", *name)) {
		return diagnosis.Fix{Title: fmt.Sprintf("Move to a claim of %s: there is no StorageClass %s, and only a claim that a class provisions can grow", size.String(), *name)}
	}
	class, known := diagnosis.Get[*storagev1.StorageClass](p, "", *name)
	if known && (class.AllowVolumeExpansion == nil || !*class.AllowVolumeExpansion) {
		return diagnosis.Fix{Title: fmt.Sprintf("Move to a claim of %s: StorageClass %s does not let claim %s grow", size.String(), *name, pvc.Name)}
	}
	return diagnosis.Fix{
		Title: fmt.Sprintf("Make claim %s larger, %s: its StorageClass must allow that (allowVolumeExpansion)", pvc.Name, size.String()),
		Patch: &diagnosis.Patch{
			Target: evidence.RefOf(pvc), Type: diagnosis.Strategic,
			Data: fmt.Sprintf(`{"spec":{"resources":{"requests":{"storage":%q}}}}`, size.String()),
		},
	}
}

// nearly is the part of space or inodes that counts as nothing left.
const nearly = 0.02

// fullness says from the kubelet's figures of what the claim has run out.
func fullness(p *diagnosis.Pass, claim evidence.Ref) (facts []evidence.Fact, said string) {
	value := map[string]float64{}
	for _, f := range p.Facts(evidence.Usage, "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
		"kubelet_volume_stats_inodes_free", "kubelet_volume_stats_inodes") {
		if f.About == claim {
			value[strings.TrimPrefix(f.Name, "kubelet_volume_stats_")] = f.Value
			facts = append(facts, f)
		}
	}
	switch {
	case value["capacity_bytes"] > 0 && value["available_bytes"] < nearly*value["capacity_bytes"]:
		return facts, fmt.Sprintf("%.0f%% of its space is used", 100*(1-value["available_bytes"]/value["capacity_bytes"]))
	case value["inodes"] > 0 && value["inodes_free"] < nearly*value["inodes"]:
		return facts, "no more files can be made, though space is left: its inodes are used up"
	}
	return nil, ""
}
