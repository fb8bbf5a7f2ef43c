// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Covers tells whether trouble with a can reach b: the cluster everything, a namespace what is in it, a node its pods,
// an owner what it owns, a claim the
// pods that use it, a pod its containers, a container its runs, and a run its container.
func (s *Snapshot) Covers(a, b Ref) bool {
	switch {
	case a == b || a.Kind == "":
		return true
	case b.Kind == "":
		return false
	case a.Object() == b.Object():
		return a.Container == "" || a.Container == b.Container &&
			(a.Attempt == b.Attempt || a.Attempt == NoAttempt || b.Attempt == NoAttempt)
	case a.Container != "":
		return false
	case a.Kind == "Namespace":
		return a.Name == b.Namespace
	}
	return s.owns(a, b) || s.runs(a, b) || s.mounts(a, b)
}

// Above returns the objects whose trouble can reach a thing: its own, its controllers, the node and the claims of its
// pod, its namespace, and the cluster. Whatever covers the thing is one of them or a part of one.
func (s *Snapshot) Above(of Ref) []Ref {
	above := append(make([]Ref, 0, 4), of.Object()) // as many as there are of most
	if of.Kind == "" {
		return above
	}
	for b := of.Object(); len(above) <= 8; {
		owner, ok := s.Owner(b)
		if !ok {
			break
		}
		above, b = append(above, owner), owner
	}
	if pod, ok := s.Object(of).(*corev1.Pod); ok {
		above = append(append(above, RefTo("Node", "", pod.Spec.NodeName)), ClaimsOf(pod)...)
	}
	if of.Namespace != "" {
		above = append(above, RefTo("Namespace", "", of.Namespace))
	}
	return append(above, Cluster)
}

func (s *Snapshot) owns(a, b Ref) bool {
	for range 8 {
		owner, ok := s.Owner(b)
		if !ok {
			return false
		}
		if owner == a {
			return true
		}
		b = owner
	}
	return false
}

// runs tells whether a is the node of pod b.
func (s *Snapshot) runs(a, b Ref) bool {
	pod, ok := s.Object(b).(*corev1.Pod)
	return ok && a.Kind == "Node" && pod.Spec.NodeName == a.Name
}

// mounts tells whether pod b uses claim a.
func (s *Snapshot) mounts(a, b Ref) bool {
	pod, ok := s.Object(b).(*corev1.Pod)
	return ok && a.Kind == "PersistentVolumeClaim" && a.Namespace == b.Namespace && slices.Contains(ClaimsOf(pod), a)
}

// ClaimsOf returns the claims that a pod uses: those it names, and those made for its generic ephemeral volumes, which
// are named after pod and volume.
func ClaimsOf(pod *corev1.Pod) []Ref {
	var claims []Ref
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		switch {
		case v.PersistentVolumeClaim != nil:
			claims = append(claims, RefTo("PersistentVolumeClaim", pod.Namespace, v.PersistentVolumeClaim.ClaimName))
		case v.Ephemeral != nil:
			claims = append(claims, RefTo("PersistentVolumeClaim", pod.Namespace, pod.Name+"-"+v.Name))
		}
	}
	return claims
}
