// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// PathMissing recognises a volume made of a path of the node that is not there, or not of the kind that is asked for.
var PathMissing = &diagnosis.Rule{
	ID:    "STO015",
	Title: "Path of the volume is not there on the node",
	Doc: `
The volume is a path of the node itself, a hostPath or a local PersistentVolume, and on the node that the pod was put on there
is no such path, or something of another kind: a file where a directory is asked for, a socket of a runtime that is not in use.

**How it is told from its look-alikes.** "hostPath type check failed", or "does not exist" about a path, in the kubelet's Event,
for a volume that is such a path. A hostPath without a type is never checked, and a missing directory is then made, empty.
A path below a volume (subPath) and a missing ConfigMap are other findings.

**What to do.** Make the path on each node that the pod may run on, or keep the pod to the nodes that have it. With the type
DirectoryOrCreate the kubelet makes it.

The checks are in kubernetes pkg/volume/hostpath (checkType) and pkg/volume/local.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: causes,
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, pathless) {
			if !f.ofNode(p) {
				continue
			}
			v, what := hostPath(p, f.volume), strings.TrimPrefix(reason(after(f.Message)), "hostPath type check failed: ")
			if m := noPath.FindStringSubmatch(f.Message); m != nil {
				what = m[1] + " does not exist"
			}
			fixes := []diagnosis.Fix{{Title: fmt.Sprintf("Make the path on node %s, or keep the pod to nodes that have it", p.NodeName()), Command: describe(p)}}
			if v != nil && v.Type != nil && *v.Type == corev1.HostPathDirectory {
				fixes = append(fixes, diagnosis.Fix{
					Title: "Let the kubelet make the directory, if it may be empty: type DirectoryOrCreate", Risk: diagnosis.Restart,
					Patch: p.PatchPodSpec(map[string]any{"volumes": []any{map[string]any{
						"name": f.volume, "hostPath": map[string]any{"path": v.Path, "type": string(corev1.HostPathDirectoryOrCreate)},
					}}}),
				})
			}
			f.report(p, fmt.Sprintf("%s of pod %s cannot be mounted: on node %s %s", f.name(p), p.About().Name, p.NodeName(), what), fixes...)
		}
	},
}

var noPath = regex.New(`"?(/[^" :]+)"?:? (?:does not exist|no such file)`)

// ofNode tells whether what is not there is a path of the node: the volume is made of one, by the kubelet's words, the
// pod's spec, or as a claim's local volume. A driver misses files of its own.
func (f *failure) ofNode(p *diagnosis.Pass) bool {
	if strings.Contains(f.Message, "rpc error") {
		return false
	}
	return strings.Contains(f.Message, "hostPath type check failed") || hostPath(p, f.volume) != nil || f.claim(p) != nil
}

// hostPath returns the hostPath volume of that name, or nil.
func hostPath(p *diagnosis.Pass, name string) *corev1.HostPathVolumeSource {
	for i := range p.PodSpec().Volumes {
		if v := &p.PodSpec().Volumes[i]; v.Name == name {
			return v.HostPath
		}
	}
	return nil
}
