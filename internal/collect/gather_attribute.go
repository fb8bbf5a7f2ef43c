// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// An attributor finds out which run of which container a log is of.
type attributor struct {
	pods     []*corev1.Pod // by the length of their names, longest first
	troubled func(*corev1.Pod) bool
}

func newAttributor(pods []*corev1.Pod, troubled func(*corev1.Pod) bool) *attributor {
	a := &attributor{slices.Clone(pods), troubled}
	slices.SortStableFunc(a.pods, func(x, y *corev1.Pod) int { return cmp.Compare(len(y.Name), len(x.Name)) })
	return a
}

// find returns the run; false where it cannot be told.
func (a *attributor) find(l pendingLog) (evidence.Ref, bool) {
	pod := a.pod(l)
	if pod == nil {
		return evidence.Ref{}, false
	}
	name := l.of.Container
	if name == "" || evidence.ContainerSpec(pod, name) == nil && evidence.ContainerStatus(pod, name) == nil {
		name = a.container(pod, l)
	}
	if name == "" {
		return evidence.Ref{}, false
	}
	return evidence.RefOf(pod).InContainer(name).InAttempt(attemptOf(pod, name, l.previous)), true
}

// pod finds the pod: by what the text says, by the name of the file, else the one that is most likely meant: the only
// one, or the only one in trouble.
func (a *attributor) pod(l pendingLog) *corev1.Pod {
	if l.of.Name != "" {
		for _, pod := range a.pods {
			if pod.Name == l.of.Name && (l.of.Namespace == "" || l.of.Namespace == pod.Namespace) {
				return pod
			}
		}
		return nil
	}
	if named := a.named(l.name); named != nil || l.doubtful {
		return named
	}
	if len(a.pods) == 1 {
		return a.pods[0]
	}
	var bad []*corev1.Pod
	for _, pod := range a.pods {
		if a.troubled(pod) {
			bad = append(bad, pod)
		}
	}
	if len(bad) == 1 {
		return bad[0]
	}
	return a.byWorkload(l, bad)
}

// named finds the pod whose name is in that of the file: the longest, and of several the one of the file's namespace.
func (a *attributor) named(file string) *corev1.Pod {
	var named *corev1.Pod
	for _, pod := range a.pods {
		switch {
		case !strings.Contains(file, pod.Name) || named != nil && len(named.Name) > len(pod.Name):
		case named == nil || hasPart(file, pod.Namespace):
			named = pod
		}
	}
	return named
}

// byWorkload finds a pod by the name of its workload in that of the file: the one in trouble, as people save the log of
// one replica under the name of all.
func (a *attributor) byWorkload(l pendingLog, bad []*corev1.Pod) *corev1.Pod {
	base := strings.ToLower(baseName(l.name))
	for _, list := range [][]*corev1.Pod{bad, a.pods} {
		for _, pod := range list {
			workload, _ := workloadOf(pod.Name)
			if workload != "" && strings.Contains(base, workload) {
				return pod
			}
			for i := range pod.Spec.Containers {
				if c := pod.Spec.Containers[i].Name; len(c) > 2 && base == c {
					return pod
				}
			}
		}
	}
	return nil
}

// workloadOf takes the random parts from the end of a pod's name: "web-6958c5bdd8-69gtn" is of "web".
func workloadOf(pod string) (workload, set string) {
	parts := strings.Split(pod, "-")
	n := len(parts)
	if n >= 3 && len(parts[n-1]) == 5 && len(parts[n-2]) >= 8 && len(parts[n-2]) <= 10 {
		return strings.Join(parts[:n-2], "-"), strings.Join(parts[:n-1], "-")
	}
	if n >= 2 {
		return strings.Join(parts[:n-1], "-"), ""
	}
	return "", ""
}

// hasPart tells whether a path has that part.
func hasPart(name, part string) bool {
	return part != "" && slices.ContainsFunc(strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '_' }), func(p string) bool { return p == part })
}

// container finds the container: the one named in the path beside the pod, the only one, the one that died.
func (a *attributor) container(pod *corev1.Pod, l pendingLog) string {
	rest := strings.ReplaceAll(l.name, pod.Name, "/")
	var names []string
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			names = append(names, list[i].Name)
		}
	}
	best := ""
	for _, name := range names {
		parts := strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("/._", r) })
		exact := slices.Contains(parts, name)
		if (exact || strings.Contains(rest, name)) && len(name) > len(best) {
			best = name
		}
	}
	if best != "" || len(names) == 0 {
		return best
	}
	for _, st := range slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses) {
		if len(pod.Spec.Containers) > 1 && (st.RestartCount > 0 || st.LastTerminationState.Terminated != nil || st.State.Terminated != nil) {
			return st.Name
		}
	}
	return names[0]
}

// attemptOf returns the number of the run that kubectl logs shows, or kubectl logs --previous. While a container waits
// to be started again, both show the one that ended last.
func attemptOf(pod *corev1.Pod, container string, previous bool) int {
	st := evidence.ContainerStatus(pod, container)
	if st == nil {
		return 0
	}
	n := int(st.RestartCount)
	if previous && st.State.Waiting == nil {
		return max(n-1, 0)
	}
	return n
}
