// SPDX-License-Identifier: Apache-2.0

package create

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// target is the path in the container that a mount's error names: runc's "to rootfs at", crun's "to `/etc/app`".
var target = regex.New("to rootfs(?: \\\\?\"[^\"]*\\\\?\")? at \\\\?\"([^\"\\\\]+)|mount `[^`]*` to `([^`]+)`")

// mountIn returns the mount of the pass's container that the text names by its path, and its volume.
func mountIn(p *diagnosis.Pass, text string) (*corev1.VolumeMount, *corev1.Volume) {
	found := target.FindStringSubmatch(text)
	c, volumes := p.Spec(), p.PodSpec().Volumes
	if found == nil {
		return nil, nil
	}
	path := "/" + strings.TrimLeft(found[1]+found[2], "/")
	i := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.TrimRight(m.MountPath, "/") == path })
	if i < 0 {
		return nil, nil
	}
	m := &c.VolumeMounts[i]
	j := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
	if j < 0 { // only a part of the manifest is known
		return nil, nil
	}
	return m, &volumes[j]
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
	parts := strings.Split(inner(text), ": ")
	return parts[len(parts)-1]
}

// first tells whether the pass looks at the pod's first container, with which the trouble of the whole pod is told.
func first(p *diagnosis.Pass) bool {
	return slices.IndexFunc(p.PodSpec().Containers, func(c corev1.Container) bool { return c.Name == p.About().Container }) == 0
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

// unstarted cites what the status says of a pod without a sandbox: the condition, or how its first container waits, or that
// the pod is still pending. It agrees with an Event that says why.
func unstarted(p *diagnosis.Pass) evidence.Fact {
	if fact, ok := p.CitePodCondition(corev1.PodReadyToStartContainers); ok {
		return fact
	}
	st := p.PodStatus()
	for _, c := range st.ContainerStatuses {
		if w := c.State.Waiting; w != nil {
			return cite(p.About().Object().InContainer(c.Name), "status.containerStatuses["+c.Name+"].state.waiting", "reason "+w.Reason)
		}
	}
	return cite(p.About().Object(), "status.phase", "phase "+string(st.Phase))
}

// cite makes a fact of a field of the pod's status or metadata.
func cite(about evidence.Ref, where, text string) evidence.Fact {
	return evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: about, Where: where, Text: text}
}

// recent is how old the newest Event about a try may be to speak of the present: the kubelet tries again within
// minutes.
const recent = 15 * time.Minute

// newest returns the last of the Events, or one without words.
func newest(events []evidence.Event) evidence.Event {
	if len(events) == 0 {
		return evidence.Event{}
	}
	return events[len(events)-1]
}
