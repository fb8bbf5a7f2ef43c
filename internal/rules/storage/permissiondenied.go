// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PermissionDenied recognises a process that ended because it may not use the files of a volume.
var PermissionDenied = &diagnosis.Rule{
	ID:    "STO023",
	Title: "Process may not use the files of a volume",
	Doc: `
The process was denied a file or directory below one of its mounts, and ended. The files belong to another user: the root directory of
a new disk belongs to root, a path of the node to whoever made it, and an NFS server makes nobody of root (root_squash).

**How it is told from its look-alikes.** By the error at the end of the log, "permission denied" about a path below a mount. About a
path outside all volumes it is the image's files or the program's own; about a command it is a missing x bit, which the shell's
exit code 126 shows. From the log alone the finding is possible; likely, where the spec has the process run as another user than
root and gives the volume to no group (fsGroup).

**What to do.** Set fsGroup to a group of the process: the kubelet gives it the files. It does not do so for paths of the node and NFS: there
change the owner on the node or the server, or run as the user that the files belong to.

Which volumes fsGroup works on: kubernetes pkg/volume (Attributes.Managed) and the CSIDriver's fsGroupPolicy.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Logs,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c, ok := complains(p, "permission denied", "eacces", "operation not permitted", "eperm")
		if !ok || c.fixed() {
			return
		}
		what := c.what(p)
		user, nonRoot := runsAs(p)
		f := c.finding(p, fmt.Sprintf("container %s ended because it may not use %s, mounted at %s", p.About().Container, what, c.mount.MountPath))
		owner := diagnosis.Fix{Title: fmt.Sprintf("Give the files of %s to the user that %s runs as, or let it run as their owner", what, p.About().Container)}
		sc := p.PodSpec().SecurityContext
		grouped := sc != nil && sc.FSGroup != nil
		switch {
		case !managed(p, &c):
			f.Fixes = []diagnosis.Fix{owner}
		case nonRoot && !grouped:
			f.Confidence = diagnosis.Likely
			f.Message += fmt.Sprintf(": it runs as %s, and no fsGroup gives it the files", user)
			f.Facts = append(f.Facts, citeUser(p))
			f.Fixes = []diagnosis.Fix{groupFix(p), owner}
		default:
			f.Fixes = []diagnosis.Fix{owner}
		}
		p.Report(f)
	},
}

// managed tells whether the kubelet can give the volume to a group: not a path of the node or a share, whether the pod
// names it or its claim is bound to one.
func managed(p *diagnosis.Pass, c *complaint) bool {
	if pvc, ok := p.Object(c.claim(p)).(*corev1.PersistentVolumeClaim); ok {
		pv, known := diagnosis.Get[*corev1.PersistentVolume](p, "", pvc.Spec.VolumeName)
		return !known || pv.Spec.HostPath == nil && pv.Spec.NFS == nil
	}
	return c.HostPath == nil && c.NFS == nil
}

// runsAs says as whom the spec has the container run, and whether that is another user than root for sure.
func runsAs(p *diagnosis.Pass) (user string, nonRoot bool) {
	var uid *int64
	var never *bool
	if sc := p.PodSpec().SecurityContext; sc != nil {
		uid, never = sc.RunAsUser, sc.RunAsNonRoot
	}
	if sc := p.Spec().SecurityContext; sc != nil {
		if sc.RunAsUser != nil {
			uid = sc.RunAsUser
		}
		if sc.RunAsNonRoot != nil {
			never = sc.RunAsNonRoot
		}
	}
	switch {
	case uid != nil:
		return fmt.Sprintf("user %d", *uid), *uid != 0
	case never != nil && *never:
		return "another user than root", true
	}
	return "the image's user", false
}

// citeUser cites where the spec says as whom the container runs: its own count for more than the pod's.
func citeUser(p *diagnosis.Pass) evidence.Fact {
	own, pod := p.Spec().SecurityContext, p.PodSpec().SecurityContext
	ofPod := func(field string, value any) evidence.Fact {
		return evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
			Where: "spec.securityContext." + field, Text: fmt.Sprintf("%s %v", field, value),
		}
	}
	switch {
	case own != nil && own.RunAsUser != nil:
		return p.CiteSpec("securityContext.runAsUser", *own.RunAsUser)
	case pod != nil && pod.RunAsUser != nil:
		return ofPod("runAsUser", *pod.RunAsUser)
	case own != nil && own.RunAsNonRoot != nil:
		return p.CiteSpec("securityContext.runAsNonRoot", *own.RunAsNonRoot)
	}
	return ofPod("runAsNonRoot", true)
}

// groupFix proposes the group of the process, or one of its user's number.
func groupFix(p *diagnosis.Pass) diagnosis.Fix {
	group := int64(1000)
	ids := []*int64{}
	if sc := p.PodSpec().SecurityContext; sc != nil {
		ids = append(ids, sc.RunAsUser, sc.RunAsGroup)
	}
	if sc := p.Spec().SecurityContext; sc != nil {
		ids = append(ids, sc.RunAsUser, sc.RunAsGroup)
	}
	for _, id := range ids {
		if id != nil && *id != 0 {
			group = *id
		}
	}
	return diagnosis.Fix{
		Title: fmt.Sprintf("Let the kubelet give the volume's files to group %d (fsGroup)", group), Risk: diagnosis.Restart,
		Patch: p.PatchPodSpec(map[string]any{"securityContext": map[string]any{"fsGroup": group}}),
	}
}
