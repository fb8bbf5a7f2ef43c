// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A Sibling is a pod of the same workload, or another one that died of the same.
type Sibling struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Node      string `json:"node"`
	Phase     string `json:"phase"` // empty where it was not looked at, and nothing is known but its deaths
	Ready     bool   `json:"ready"`
	Restarts  int    `json:"restarts"`
	Image     string `json:"image"`
	Own       bool   `json:"own"`             // it is the pod that told is of
	Deaths    int    `json:"deaths"`          // of the incident, as far as they are listed
	Death     int64  `json:"death,omitempty"` // the latest of those
}

const mostSiblings = 50

// A PodTable is siblings as a page shows them.
type PodTable struct {
	Pods []Sibling
	More int
}

// Pods are the siblings as they are shown.
func (p IncidentPage) Pods() PodTable { return PodTable{p.Siblings, p.MoreSiblings} }

// Pods are the siblings as they are shown.
func (p DeathPage) Pods() PodTable { return PodTable{p.Siblings, p.MoreSiblings} }

// siblings are the pods of the workload of one, as they were when it was looked at, and those that deaths are of. The one itself is the
// first, then come those that died or restart most. More is how many there are beside those.
func siblings(s *evidence.Snapshot, of evidence.Ref, deaths []history.Death) (all []Sibling, more int) {
	pods := map[evidence.Ref]*Sibling{}
	for _, pod := range evidence.List[*evidence.Pod](s, workloadOf(s, of, deaths)) {
		pods[evidence.RefOf(pod)] = siblingOf(pod, of.Container)
	}
	for i := range deaths { // the latest is the first
		d := &deaths[i]
		if d.Of.Kind != "Pod" {
			continue
		}
		ref := d.Of.Object()
		if pods[ref] == nil {
			pods[ref] = &Sibling{Name: ref.Name, Namespace: ref.Namespace, Node: d.Node, Image: d.Image}
		}
		pods[ref].Deaths++
		pods[ref].Death = cmp.Or(pods[ref].Death, d.ID)
	}
	if len(pods) < 2 {
		return []Sibling{}, 0
	}
	if own := pods[of.Object()]; own != nil {
		own.Own = true
	}
	for _, pod := range pods {
		all = append(all, *pod)
	}
	slices.SortFunc(all, func(a, b Sibling) int {
		if a.Own != b.Own {
			return map[bool]int{true: -1, false: 1}[a.Own]
		}
		return cmp.Or(cmp.Compare(b.Deaths, a.Deaths), cmp.Compare(b.Restarts, a.Restarts), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	more = max(len(all)-mostSiblings, 0)
	return all[:len(all)-more], more
}

// workloadOf is what owns a pod in the end: as the snapshot has it, or where the pod was gone by then, as its death does.
func workloadOf(s *evidence.Snapshot, of evidence.Ref, deaths []history.Death) evidence.Ref {
	owner := s.TopOwner(of)
	if owner != of.Object() {
		return owner
	}
	for i := range deaths {
		if w := deaths[i].Workload; deaths[i].Of.Object() == owner && w.Kind != "" {
			return w
		}
	}
	return owner
}

// siblingOf is a pod, with the image of the container in question where it has one of that name.
func siblingOf(pod *evidence.Pod, container string) *Sibling {
	sib := &Sibling{Name: pod.Name, Namespace: pod.Namespace, Node: pod.Spec.NodeName, Phase: string(pod.Status.Phase)}
	for _, condition := range pod.Status.Conditions {
		sib.Ready = sib.Ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	}
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range statuses {
			sib.Restarts += int(statuses[i].RestartCount)
		}
	}
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; sib.Image == "" || c.Name == container {
			sib.Image = c.Image
		}
	}
	return sib
}
