// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/hostlog"
	"github.com/kubeinquest/inquest/internal/regex"
)

// hostFacts reads the log of a node into facts, with secrets masked.
func hostFacts(text, node string, taken time.Time) []evidence.Fact {
	facts := hostlog.Parse(text, node, taken)
	for i := range facts {
		facts[i].Text, _ = Redact(facts[i].Text)
	}
	return facts
}

// podUID and containerID find a pod and a container in the path of a control group, as the kubelet's drivers write it:
// "pod1f0c…" with dashes (cgroupfs) or underscores (systemd), and 64 hexadecimal digits.
var (
	podUID      = regex.New(`pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})`)
	containerID = regex.New(`[0-9a-f]{64}`)
	podName     = regex.New(`pods?="([a-z0-9.-]+)/([a-z0-9.-]+)"`)
)

// resolveHostFacts makes facts of a node that name a known pod, by its UID in a control group or by its name, facts about
// that pod or container. A fact about a killed process is one about the group that the process was in.
func resolveHostFacts(s *evidence.Snapshot) {
	byUID, byName := map[string]*corev1.Pod{}, map[string]*corev1.Pod{}
	for _, o := range s.Objects {
		if pod, ok := o.(*corev1.Pod); ok {
			byUID[uidOnNode(pod)], byName[pod.Namespace+"/"+pod.Name] = pod, pod
		}
	}
	for i := range s.Facts {
		f := &s.Facts[i]
		if f.Kind != evidence.Host || f.About.Kind != "Node" || f.Name == "oom-task" {
			continue
		}
		text := f.Text
		if _, of, ok := strings.Cut(text, "task_memcg="); ok {
			text = of
		}
		if m := podUID.FindStringSubmatch(text); m != nil {
			if pod := byUID[strings.ReplaceAll(m[1], "_", "-")]; pod != nil {
				f.About = containerIn(pod, text)
			}
			continue
		}
		if m := podName.FindStringSubmatch(f.Text); m != nil && byName[m[1]+"/"+m[2]] != nil {
			f.About = evidence.RefOf(byName[m[1]+"/"+m[2]])
		}
	}
}

// containerIn returns the container of the pod that the path of a control group names by its id, or the pod.
func containerIn(pod *corev1.Pod, path string) evidence.Ref {
	id := containerID.FindString(path)
	for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		ids := []string{st.ContainerID}
		for _, state := range []corev1.ContainerState{st.State, st.LastTerminationState} {
			if state.Terminated != nil {
				ids = append(ids, state.Terminated.ContainerID)
			}
		}
		if id != "" && slices.ContainsFunc(ids, func(known string) bool { return strings.HasSuffix(known, id) }) {
			return evidence.RefOf(pod).InContainer(st.Name)
		}
	}
	return evidence.RefOf(pod)
}
