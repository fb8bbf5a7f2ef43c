// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// workloadKinds are the kinds of controllers of pods that can be asked about.
var workloadKinds = map[string]bool{
	"Deployment": true, "ReplicaSet": true, "StatefulSet": true, "DaemonSet": true, "Job": true, "CronJob": true,
	"ReplicationController": true,
}

// Select narrows a frozen snapshot to what a selection asks about: it sets the subject and what rules look at. Of a
// pod that is named, that is the pod; of anything larger, that thing and the pods of it that are in trouble. A
// selection that names nothing leaves the question as it was recorded. Every source ends with it, so that the same
// question to the same evidence is the same question.
func Select(s *evidence.Snapshot, sel evidence.Selection) (*evidence.Snapshot, error) {
	if asksNothing(sel) {
		return s, nil
	}
	belongs, err := selectorIn(sel)
	if err != nil {
		return nil, err
	}
	ref, err := locate(s, subjectOf(sel))
	if err != nil {
		return nil, err
	}
	if hpa, ok := s.Object(ref).(*autoscalingv2.HorizontalPodAutoscaler); ok {
		ref = targetOf(hpa)
	}
	narrowed := *s
	narrowed.Subject, narrowed.Asked = ref, []evidence.Ref{ref}
	if pod, ok := s.Object(ref).(*corev1.Pod); ok {
		narrowed.Context = nodesBeside(s, narrowed.Asked)
		if sel.Container != "" {
			narrowed.Asked = []evidence.Ref{ref.InContainer(sel.Container)}
		}
		return &narrowed, checkContainer(pod, sel.Container)
	}
	for _, pod := range evidence.List[*corev1.Pod](s) {
		if belongs.Matches(labels.Set(pod.Labels)) && s.Covers(area(ref), evidence.RefOf(pod)) && inQuestion(ref, pod, s.Taken) {
			narrowed.Asked = append(narrowed.Asked, evidence.RefOf(pod))
		}
	}
	narrowed.Asked = distinct(append(narrowed.Asked, othersIn(s, ref, belongs)...))
	narrowed.Context = nodesBeside(s, narrowed.Asked)
	return &narrowed, nil
}

// inQuestion tells whether a pod belongs to a question about something larger: one in trouble does, and where a workload
// is named also one that is not ready yet, as probes fail long before that is trouble to whoever asks about everything.
func inQuestion(subject evidence.Ref, pod *corev1.Pod, taken time.Time) bool {
	starts := pod.DeletionTimestamp == nil && (pod.Status.Phase == corev1.PodPending || pod.Status.Phase == corev1.PodRunning) && !isReady(pod)
	return evidence.Troubled(pod, taken) || workloadKinds[subject.Kind] && starts
}

// area is where the pods of what is asked about are: those of the control plane are in its namespace.
func area(ref evidence.Ref) evidence.Ref {
	if ref == ControlPlane {
		return within(metav1.NamespaceSystem)
	}
	return ref
}

// nodesBeside returns the context of the question, and with it the nodes that are not ready where a pod in question is on
// none: their trouble may be why.
func nodesBeside(s *evidence.Snapshot, asked []evidence.Ref) []evidence.Ref {
	context := slices.Clone(s.Context)
	unplaced := slices.ContainsFunc(asked, func(ref evidence.Ref) bool {
		pod, ok := s.Object(ref).(*corev1.Pod)
		return ok && pod.Spec.NodeName == ""
	})
	for _, n := range evidence.List[*corev1.Node](s) {
		if unplaced && !ready(n) {
			context = append(context, evidence.RefOf(n))
		}
	}
	return distinct(context)
}

// selectRecorded is Select for evidence from files. There a namespace that nothing is known of is not a quiet one, unless
// the whole cluster was looked at.
func selectRecorded(s *evidence.Snapshot, sel evidence.Selection) (*evidence.Snapshot, error) {
	about := subjectOf(sel)
	if about.Kind != "Namespace" || s.Subject == about {
		return Select(s, sel)
	}
	names := []string{s.Subject.Namespace}
	for _, o := range s.Objects {
		names = append(names, o.GetNamespace())
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" || name == corev1.NamespaceNodeLease })
	if !slices.Contains(names, about.Name) && (s.Subject.Kind != "" || len(Nearest(about.Name, names)) > 0) {
		return nil, unknown(about, names, nil, holding(names))
	}
	return Select(s, sel)
}

// selectorIn returns the label selector of a selection; without one it takes everything.
func selectorIn(sel evidence.Selection) (labels.Selector, error) {
	belongs, err := labels.Parse(sel.Label)
	if err != nil {
		return nil, fmt.Errorf("label selector %q: %w", sel.Label, err)
	}
	return belongs, nil
}

// asksNothing tells whether a selection leaves open what it is about.
func asksNothing(sel evidence.Selection) bool {
	return sel.Ref.Kind == "" && sel.Namespace == "" && sel.Label == "" && !sel.AllNamespaces
}

// subjectOf returns what a selection is about: the thing it names, else the namespace, else the cluster.
func subjectOf(sel evidence.Selection) evidence.Ref {
	switch {
	case sel.Ref.Kind != "":
		ref := sel.Ref.Object()
		if resources[ref.Kind].cluster || ref.Kind == ControlPlane.Kind {
			ref.Namespace = ""
		} else if ref.Namespace == "" {
			ref.Namespace = sel.Namespace
		}
		return ref
	case sel.AllNamespaces || sel.Namespace == "":
		return evidence.Cluster
	}
	return evidence.RefTo("Namespace", "", sel.Namespace)
}

// locate finds the thing in the snapshot, in whatever namespace when none is given. A namespace and the cluster need
// not be objects.
func locate(s *evidence.Snapshot, ref evidence.Ref) (evidence.Ref, error) {
	if ref.Kind == "" || ref.Kind == "Namespace" || ref == ControlPlane || s.Knows(ref) {
		return ref, nil
	}
	var names []string
	var elsewhere []evidence.Ref
	for _, o := range s.Objects {
		at := evidence.RefOf(o)
		if at.Kind != ref.Kind {
			continue
		}
		if at.Name == ref.Name {
			elsewhere = append(elsewhere, at)
		}
		if ref.Namespace == "" || ref.Namespace == at.Namespace {
			names = append(names, at.Name)
		}
	}
	if ref.Namespace == "" && len(elsewhere) == 1 {
		return elsewhere[0], nil
	}
	return ref, unknown(ref, names, elsewhere, holding(names))
}

// othersIn returns what belongs to the question beside the subject and its pods: the controllers below a workload;
// in a namespace or the cluster those that cannot create their pods, and the nodes that are not ready.
func othersIn(s *evidence.Snapshot, subject evidence.Ref, belongs labels.Selector) []evidence.Ref {
	var refs []evidence.Ref
	for _, o := range s.Objects {
		ref := evidence.RefOf(o)
		if !s.Covers(subject, ref) || !belongs.Matches(labels.Set(o.GetLabels())) {
			continue
		}
		node, isNode := o.(*corev1.Node)
		all := subject.Kind == "" || subject.Kind == "Namespace"
		switch {
		case workloadKinds[ref.Kind] && (workloadKinds[subject.Kind] || all && starved(s, o)):
			refs = append(refs, ref)
		case isNode && all && !ready(node):
			refs = append(refs, ref)
		}
	}
	return refs
}

// slowToCreate is how long a controller may take to create pods before it is trouble that there is none: it begins within
// milliseconds.
const slowToCreate = 30 * time.Second

// starved tells whether a controller cannot create the pods that it wants: a condition or an Event says so and some are
// missing still, or there is none of them after all that time.
func starved(s *evidence.Snapshot, o evidence.Object) bool {
	if o.GetDeletionTimestamp() != nil {
		return false
	}
	has, wants := replicas(o)
	switch {
	case refusedIn(o) != "":
		return true
	case has >= wants:
		return false
	case has == 0 && !mayWait(o) && !o.GetCreationTimestamp().Time.IsZero() && s.Taken.Sub(o.GetCreationTimestamp().Time) > slowToCreate:
		return !slices.ContainsFunc(evidence.List[*corev1.Pod](s), func(p *corev1.Pod) bool {
			return s.Covers(evidence.RefOf(o), evidence.RefOf(p))
		})
	}
	return slices.ContainsFunc(s.EventsAbout(evidence.RefOf(o)), func(e evidence.Event) bool { return refuses(e.Reason) })
}

// refuses tells whether an Event of that reason says that a controller cannot create what it wants.
func refuses(reason string) bool { return reason == failedCreate || reason == "ReplicaSetCreateError" }

// mayWait tells whether a controller may have no pod for a reason of its own: a Job between two tries, a CronJob between
// two times, a ReplicaSet whose Deployment is looked at as well.
func mayWait(o evidence.Object) bool {
	switch o.(type) {
	case *batchv1.Job, *batchv1.CronJob:
		return true
	case *appsv1.ReplicaSet:
		return metav1.GetControllerOf(o) != nil
	}
	return false
}

// replicas returns how many pods, or Jobs, a controller has and wants.
func replicas(o evidence.Object) (has, wants int32) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return o.Status.Replicas, orOne(o.Spec.Replicas)
	case *appsv1.ReplicaSet:
		return o.Status.Replicas, orOne(o.Spec.Replicas)
	case *appsv1.StatefulSet:
		return o.Status.Replicas, orOne(o.Spec.Replicas)
	case *corev1.ReplicationController:
		return o.Status.Replicas, orOne(o.Spec.Replicas)
	case *appsv1.DaemonSet:
		return o.Status.CurrentNumberScheduled, o.Status.DesiredNumberScheduled
	case *batchv1.Job:
		return o.Status.Active, orOne(o.Spec.Parallelism)
	case *batchv1.CronJob:
		return 0, 1
	}
	return 0, 0
}

func orOne(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// refusedIn returns what a condition of a controller says about why it cannot create what it wants.
func refusedIn(o evidence.Object) string {
	switch o := o.(type) {
	case *appsv1.Deployment:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue || c.Reason == "ReplicaSetCreateError" {
				return c.Message
			}
		}
	case *appsv1.ReplicaSet:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue && o.Status.Replicas < orOne(o.Spec.Replicas) {
				return c.Message
			}
		}
	}
	return ""
}

// ready tells whether a node's kubelet reports that it is.
func ready(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

func checkContainer(pod *corev1.Pod, name string) error {
	var names []string
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			names = append(names, list[i].Name)
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		names = append(names, pod.Spec.EphemeralContainers[i].Name)
	}
	if name == "" || slices.Contains(names, name) {
		return nil
	}
	return fmt.Errorf("pod %s has no container %s, it has %s", pod.Name, name, joined(names))
}
