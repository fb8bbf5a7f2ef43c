// SPDX-License-Identifier: Apache-2.0

package create

import (
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// target is the path in the container that a mount's error names: runc's "to rootfs at", crun's "to `/etc/app`".
var target = regexp.MustCompile("to rootfs(?: \\\\?\"[^\"]*\\\\?\")? at \\\\?\"([^\"\\\\]+)|mount `[^`]*` to `([^`]+)`")

// mountIn returns the mount of the pass's container that the text names by its path, and its volume.
func mountIn(p *diagnosis.Pass, text string) (*corev1.VolumeMount, *corev1.Volume) {
	found := target.FindStringSubmatch(text)
	c := p.Spec()
	if found == nil {
		return nil, nil
	}
	path := "/" + strings.TrimLeft(found[1]+found[2], "/")
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		for j, spec := 0, p.PodSpec(); strings.TrimRight(m.MountPath, "/") == path && j < len(spec.Volumes); j++ {
			if spec.Volumes[j].Name == m.Name {
				return m, &spec.Volumes[j]
			}
		}
	}
	return nil, nil
}

func citeMount(p *diagnosis.Pass, m *corev1.VolumeMount) evidence.Fact {
	path := "volumeMounts[" + m.MountPath + "]"
	if m.SubPath != "" {
		return p.CiteSpec(path+".subPath", m.SubPath)
	}
	return p.CiteSpec(path+".name", m.Name)
}

func configMapOf(v *corev1.Volume) string {
	if v.ConfigMap == nil || len(v.ConfigMap.Items) > 0 {
		return ""
	}
	return v.ConfigMap.Name
}

// lastWords returns what follows the last colon: the kernel's error.
func lastWords(text string) string {
	text = inner(text)
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+len(": "):]
	}
	return text
}

// first tells whether the pass looks at the pod's first container, with which the trouble of the whole pod is told.
func first(p *diagnosis.Pass) bool {
	spec := p.PodSpec()
	if len(spec.InitContainers) > 0 {
		return spec.InitContainers[0].Name == p.About().Container
	}
	return spec.Containers[0].Name == p.About().Container
}

// started tells whether the pod has its sandbox: a container ran, or the kubelet says so.
func started(st *corev1.PodStatus) bool {
	for _, c := range st.Conditions {
		if c.Type == corev1.PodReadyToStartContainers {
			return c.Status == corev1.ConditionTrue
		}
	}
	return st.Phase != corev1.PodPending
}

// recent is how old the newest Event about a try may be to speak of the present: the kubelet tries again within
// minutes.
const recent = 15 * time.Minute

func newest(events []evidence.Event) (evidence.Event, bool) {
	if len(events) == 0 {
		return evidence.Event{}, false
	}
	return events[len(events)-1], true
}
