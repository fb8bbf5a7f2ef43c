// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeDiffers recognises a workload that fails on a node which is unlike those on which it is well.
var NodeDiffers = &diagnosis.Rule{
	ID:    "CHG009",
	Title: "Pods fail only on a node that differs from the others",
	Doc: `
Pods made from one template fail on this node and are well on others, and the node differs from all of those in something
that programs notice: the architecture, the kernel, the operating system's image, the container runtime or the kubelet's
version; or the node is new, which makes it possible and no more. Usual ends are a rollout of nodes that has begun, or a pool of other machines.

**How it is told from its look-alikes.** All pods of the template on the node fail, at least one on another node is ready,
and none fails elsewhere. A node like the others proves nothing: one pod may fail for its own data. Pods of different
templates are not compared, for that is the rollout's doing (CHG001). A node that is not ready or under pressure says so
itself. That it is cordoned is no difference, for people do that because pods fail there; it is said besides.

**What to do.** Move the pods away (cordon the node, delete the pod) and see whether they are well elsewhere; then find out
what the difference breaks, or bind the workload to nodes of the kind that it needs.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Node | evidence.Status | evidence.Spec,
	Effect: diagnosis.ConfigChanged,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		node := p.Node()
		if node == nil { // only facts are known of it
			return
		}
		for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
			elsewhere := others(p, pod)
			made, facts := unlike(node, elsewhere)
			state, more := apart(p.Now(), node, elsewhere)
			if len(elsewhere) == 0 || len(facts)+len(more) == 0 {
				continue
			}
			sure := diagnosis.Likely
			if len(made) == 0 {
				sure = diagnosis.Possible
			}
			note, closed := cordoned(node)
			p.Report(diagnosis.Finding{
				At: pod.CreationTimestamp.Time, Confidence: sure, Facts: slices.Concat(facts, more, citeEnd(pod), closed),
				Message: fmt.Sprintf("pod %s fails on node %s alone, and its like are well on %s: the node differs in its %s%s", pod.Name, node.Name, named(elsewhere), strings.Join(append(made, state...), " and "), note),
				Fixes:   []diagnosis.Fix{elsewhereFix(pod, node)},
			})
			return
		}
	},
}

// elsewhereFix is to see whether the pod is well elsewhere; one of a DaemonSet would come back to its node.
func elsewhereFix(pod *corev1.Pod, on *corev1.Node) diagnosis.Fix {
	node := on.Name
	if pod.OwnerReferences[0].Kind == "DaemonSet" {
		return diagnosis.Fix{Title: fmt.Sprintf("Find out what of that the program does not stand, or keep it off nodes like %s with a node affinity", node)}
	}
	if on.Spec.Unschedulable {
		return diagnosis.Fix{
			Title: fmt.Sprintf("Delete the pod, to see whether it is well elsewhere: node %s takes no new ones", node), Risk: diagnosis.Evict,
			Command: fmt.Sprintf("kubectl delete -n %s pod %s", pod.Namespace, pod.Name),
		}
	}
	return diagnosis.Fix{
		Title: fmt.Sprintf("Close node %s and delete the pod, to see whether it is well elsewhere", node), Risk: diagnosis.Evict,
		Command: fmt.Sprintf("kubectl cordon %s && kubectl delete -n %s pod %s", node, pod.Namespace, pod.Name),
	}
}

// cordoned says that the node is closed to new pods. That sets it not apart, but somebody may know what is wrong there.
func cordoned(node *corev1.Node) (note string, facts []evidence.Fact) {
	if !node.Spec.Unschedulable {
		return "", nil
	}
	fact := evidence.Fact{
		Kind: evidence.Node, Source: evidence.FromSpec, About: evidence.RefOf(node), Where: "spec.unschedulable", Text: "unschedulable true",
	}
	for _, t := range node.Spec.Taints {
		if t.Key == corev1.TaintNodeUnschedulable && t.TimeAdded != nil {
			fact.At = t.TimeAdded.UTC()
		}
	}
	note = "; somebody has closed it to new pods"
	if by, _ := writer(node, "f:spec", "f:unschedulable"); by != "" {
		note = "; " + by + " has closed it to new pods"
	}
	return note, []evidence.Fact{fact}
}

// others returns the nodes on which pods like this one are well, where all that are on its own fail and none elsewhere.
func others(p *diagnosis.Pass, pod *corev1.Pod) []*corev1.Node {
	var nodes []*corev1.Node
	for _, other := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Namespace", "", pod.Namespace)) {
		if !alike(pod, other) {
			continue
		}
		here := other.Spec.NodeName == pod.Spec.NodeName
		if bad := fails(p, other); bad != here {
			return nil
		}
		if node, ok := diagnosis.Get[*corev1.Node](p, "", other.Spec.NodeName); ok && !here && ready(other) && !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// alike tells whether two pods were made by one controller from one template.
func alike(a, b *corev1.Pod) bool {
	sameUID := func(a, b metav1.OwnerReference) bool { return a.UID == b.UID }
	return len(a.OwnerReferences) > 0 && slices.EqualFunc(a.OwnerReferences, b.OwnerReferences, sameUID) && sameTemplate(&a.ObjectMeta, &b.ObjectMeta)
}

// unlike says in what a node differs from every other one.
func unlike(node *corev1.Node, others []*corev1.Node) (names []string, facts []evidence.Fact) {
	for _, k := range []struct {
		field, says string
		of          func(*corev1.NodeSystemInfo) string
	}{
		{"architecture", "architecture", func(i *corev1.NodeSystemInfo) string { return i.Architecture }},
		{"kernelVersion", "kernel", func(i *corev1.NodeSystemInfo) string { return i.KernelVersion }},
		{"osImage", "operating system", func(i *corev1.NodeSystemInfo) string { return i.OSImage }},
		{"containerRuntimeVersion", "container runtime", func(i *corev1.NodeSystemInfo) string { return i.ContainerRuntimeVersion }},
		{"kubeletVersion", "kubelet version", func(i *corev1.NodeSystemInfo) string { return i.KubeletVersion }},
	} {
		own := k.of(&node.Status.NodeInfo)
		if own == "" || slices.ContainsFunc(others, func(n *corev1.Node) bool { return k.of(&n.Status.NodeInfo) == own }) {
			continue
		}
		names = append(names, k.says)
		for _, n := range append([]*corev1.Node{node}, others[:min(len(others), 1)]...) {
			facts = append(facts, evidence.Fact{
				Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(n), Where: "status.nodeInfo." + k.field, Text: k.field + " " + k.of(&n.Status.NodeInfo),
			})
		}
	}
	return names, facts
}

// newNode is how long a node is new.
const newNode = 24 * time.Hour

// apart says what else sets a node apart from every other one: that it is new. That is a reason to look at it, and no more.
// That somebody has closed it is none: people do that because pods fail there.
func apart(now time.Time, node *corev1.Node, others []*corev1.Node) (names []string, facts []evidence.Fact) {
	joined := node.CreationTimestamp
	age := now.Sub(joined.Time)
	if age < newNode && !slices.ContainsFunc(others, func(n *corev1.Node) bool { return now.Sub(n.CreationTimestamp.Time) < 2*age }) {
		names = append(names, "age (it joined "+strings.TrimSuffix(age.Round(time.Minute).String(), "0s")+" ago)")
		facts = append(facts, evidence.Fact{
			Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(node), At: joined.Time, Where: "metadata.creationTimestamp",
			Text: "creationTimestamp " + joined.UTC().Format(time.RFC3339),
		})
	}
	return names, facts
}

func named(nodes []*corev1.Node) string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}
