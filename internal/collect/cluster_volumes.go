// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// ofClaim reads a claim and the pods that use it, and returns those in trouble.
func (v *visit) ofClaim(ctx context.Context, ref evidence.Ref) ([]*corev1.Pod, error) {
	if _, err := v.first(ctx, ref); err != nil {
		return nil, err
	}
	var troubled []*corev1.Pod
	for _, pod := range v.users(ctx, []evidence.Ref{ref}) {
		if evidence.Troubled(pod, v.s.Taken) {
			troubled = append(troubled, pod)
		}
	}
	return troubled, nil
}

// users reads the pods that use one of the claims, which are all of one namespace. That they could not be read takes
// nothing away from what is asked about.
func (v *visit) users(ctx context.Context, claims []evidence.Ref) []*corev1.Pod {
	namespace, n := claims[0].Namespace, 0
	objects, _, err := v.api.list(ctx, query{kind: "Pod", namespace: namespace}, func(o evidence.Object) bool {
		uses := slices.ContainsFunc(evidence.ClaimsOf(o.(*corev1.Pod)), func(c evidence.Ref) bool { return slices.Contains(claims, c) })
		if uses {
			n++
		}
		return uses && n <= healthySiblings
	})
	if err != nil {
		v.gap(evidence.Changes, claims[0], v.api.why(ctx, err, "list", "Pod", namespace))
	}
	return v.keep(objects)
}

// others reads the controllers and the nodes of pods that others share a claim with: they may be what keeps a volume.
func (v *visit) others(ctx context.Context, pods []*corev1.Pod) {
	var nodes []evidence.Ref
	objects := make([]evidence.Object, 0, len(pods))
	for _, pod := range pods {
		objects = append(objects, pod)
		if pod.Spec.NodeName != "" {
			nodes = append(nodes, evidence.RefTo("Node", "", pod.Spec.NodeName))
		}
	}
	v.fetchMixed(ctx, nodes)
	v.owners(ctx, objects)
}

// volumes reads the pods' claims, their volumes and the classes of those. Of a claim that has no volume yet it reads
// what it could get one from; of a pod that waits for its volumes, who else uses them.
func (v *visit) volumes(ctx context.Context, pods []*corev1.Pod) {
	var claims, awaited, refs []evidence.Ref
	for _, pod := range pods {
		claims = append(claims, evidence.ClaimsOf(pod)...)
		if pod.Spec.NodeName != "" && !mounted(pod) {
			awaited = append(awaited, evidence.ClaimsOf(pod)...)
		}
	}
	v.fetchMixed(ctx, claims)
	pending := map[evidence.Ref]bool{}
	for _, claim := range v.claims() {
		if claim.Spec.VolumeName != "" {
			refs = append(refs, evidence.RefTo("PersistentVolume", "", claim.Spec.VolumeName))
		}
		if class := claim.Spec.StorageClassName; class != nil && *class != "" {
			refs = append(refs, evidence.RefTo("StorageClass", "", *class))
		}
		if claim.Status.Phase == corev1.ClaimPending {
			pending[evidence.RefOf(claim)] = true
		}
	}
	if len(pending) > 0 {
		v.listAll(ctx, query{kind: "StorageClass"}, nil)
		v.listAll(ctx, query{kind: "PersistentVolume"}, func(o evidence.Object) bool { return mayServe(o.(*corev1.PersistentVolume), pending) })
	}
	v.fetchMixed(ctx, refs)
	for namespace, claims := range byNamespace(distinct(awaited)) {
		if namespace != "" {
			v.others(ctx, v.users(ctx, claims))
		}
	}
}

// claims returns the claims that were read.
func (v *visit) claims() []*corev1.PersistentVolumeClaim {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []*corev1.PersistentVolumeClaim
	for _, o := range v.s.Objects {
		if claim, ok := o.(*corev1.PersistentVolumeClaim); ok {
			list = append(list, claim)
		}
	}
	return list
}

// mayServe tells whether a volume is free, kept for one of the claims, or was left over by one: not in use by another.
func mayServe(pv *corev1.PersistentVolume, pending map[evidence.Ref]bool) bool {
	ref := pv.Spec.ClaimRef
	return ref == nil || pv.Status.Phase != corev1.VolumeBound || pending[evidence.RefTo("PersistentVolumeClaim", ref.Namespace, ref.Name)]
}
