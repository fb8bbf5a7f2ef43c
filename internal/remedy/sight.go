// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A sight is what one look at the watched thing shows.
type sight struct {
	pods     []evidence.Ref // those that are to live
	rolls    bool           // it makes pods
	runs     bool           // and these complete
	bare     bool           // it has no pods that could be watched, only what a diagnosis tells
	old      int            // how many pods are of an old revision
	probing  time.Duration  // what its probes need to ask twice
	beside   time.Duration  // and those of containers that its template does not have
	reason   string         // why it is not as it should be yet; "": it is
	hopeless bool           // and will not be so by waiting
	death    string         // the last end of a container after the change; "": none
	died     time.Time      // when that was
	troubled bool           // something is wrong, which a diagnosis may tell
}

// look looks at the watched thing and its pods.
func (w *Watch) look(ctx context.Context) (sight, error) {
	switch w.Subject.Kind {
	case "Pod":
		return w.lookAtPod(ctx)
	case "Deployment", "StatefulSet", "DaemonSet":
		return w.lookAtWorkload(ctx)
	case "Job", "CronJob":
		return w.lookAtRun(ctx)
	}
	if w.Since.IsZero() {
		w.Since = w.Cluster.Now()
	}
	return sight{bare: true}, nil
}

func (w *Watch) lookAtPod(ctx context.Context) (sight, error) {
	u, err := w.Cluster.Objects.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(w.Subject.Namespace).Get(ctx, w.Subject.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return sight{reason: named(w.Subject) + " is not there", hopeless: true}, nil
	}
	if err != nil {
		return sight{}, fmt.Errorf("read %s: %w", named(w.Subject), err)
	}
	w.begin(u)
	w.object = u
	s := sight{}
	if u.GetDeletionTimestamp() != nil {
		return sight{reason: named(w.Subject) + " is being deleted", hopeless: true}, nil
	}
	err = w.add(&s, []unstructured.Unstructured{*u}, 1, nil)
	return s, err
}

func (w *Watch) lookAtWorkload(ctx context.Context) (sight, error) {
	o, err := w.read(ctx)
	if o == nil {
		return sight{reason: named(w.Subject) + " is not there", hopeless: true}, err
	}
	template, want := workload(o)
	s := sight{rolls: true, probing: probing(probed(&template.Spec)), reason: rollout(o)}
	if want == 0 {
		s.reason, s.hopeless = none(w.Subject), true
		return s, nil
	}
	selector := selectorOf(o)
	if err := w.current(ctx, o, selector); err != nil {
		return s, err
	}
	if w.hash == "" {
		s.reason = cmp.Or(s.reason, "its controller has not seen the change yet")
		return s, nil
	}
	list, err := w.Cluster.Objects.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(w.Subject.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return s, fmt.Errorf("list the pods of %s: %w", named(w.Subject), err)
	}
	pods, old := w.apart(list.Items)
	if s.old = len(old); w.Subject.Kind == "Deployment" {
		s.old = unrolled(o)
	}
	if why := held(o, old); s.reason != "" && s.old > 0 && why != "" {
		s.reason, s.hopeless = why, true
		return s, nil
	}
	err = w.add(&s, pods, int(want), probed(&template.Spec))
	return s, err
}

// read returns the workload as it is now; nil where it is not there, or cannot be read.
func (w *Watch) read(ctx context.Context) (evidence.Object, error) {
	u, err := w.Cluster.of(w.Subject).Get(ctx, w.Subject.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", named(w.Subject), err)
	}
	w.begin(u)
	w.object = u
	return typed(u)
}

// apart parts the pods of the revision that is to live from those of old ones. Pods that are going count for neither.
func (w *Watch) apart(items []unstructured.Unstructured) (pods []unstructured.Unstructured, old []string) {
	key := appsv1.ControllerRevisionHashLabelKey
	if w.Subject.Kind == "Deployment" {
		key = appsv1.DefaultDeploymentUniqueLabelKey
	}
	for i := range items {
		switch u := &items[i]; {
		case u.GetDeletionTimestamp() != nil:
		case u.GetLabels()[key] == w.hash:
			pods = append(pods, *u)
		case u.GetLabels()[key] != "":
			old = append(old, u.GetName())
		}
	}
	return pods, old
}

// begin sets since when ends count, where nobody said: since anyone last wrote what is to be.
func (w *Watch) begin(u *unstructured.Unstructured) {
	if w.Since.IsZero() {
		_, at := lastWriter(u)
		w.Since = cmp.Or(at.Time, u.GetCreationTimestamp().Time)
	}
}

func selectorOf(o evidence.Object) labels.Selector {
	var of *metav1.LabelSelector
	switch o := o.(type) {
	case *appsv1.Deployment:
		of = o.Spec.Selector
	case *appsv1.StatefulSet:
		of = o.Spec.Selector
	case *appsv1.DaemonSet:
		of = o.Spec.Selector
	}
	selector, err := metav1.LabelSelectorAsSelector(of)
	if err != nil {
		return labels.Nothing() // cannot happen: the API server has checked it
	}
	return selector
}

// rollout says what a rollout still lacks, by the counts in the status as kubectl rollout status reads them; "" is
// complete.
func rollout(o evidence.Object) string {
	switch o := o.(type) {
	case *appsv1.Deployment:
		st := o.Status
		return counted(o, st.ObservedGeneration, wanted(o.Spec.Replicas), st.UpdatedReplicas, st.Replicas, st.AvailableReplicas)
	case *appsv1.StatefulSet:
		st := o.Status
		updated := st.UpdatedReplicas
		if st.CurrentRevision == st.UpdateRevision {
			updated = st.Replicas
		}
		return counted(o, st.ObservedGeneration, wanted(o.Spec.Replicas), updated, st.Replicas, st.ReadyReplicas)
	case *appsv1.DaemonSet:
		st := o.Status
		return counted(o, st.ObservedGeneration, st.DesiredNumberScheduled, st.UpdatedNumberScheduled, st.CurrentNumberScheduled, st.NumberAvailable)
	}
	return ""
}

func counted(o evidence.Object, observed int64, want, updated, all, available int32) string {
	switch {
	case observed < o.GetGeneration():
		return "its controller has not seen the change yet"
	case updated < want:
		return fmt.Sprintf("rollout: %d of %d pods are of the new revision", updated, want)
	case all > updated:
		return fmt.Sprintf("rollout: %d old pods are still there", all-updated)
	case available < want:
		return fmt.Sprintf("%d of %d pods are available", available, want)
	}
	return ""
}

// current finds the hash of the newest revision, once for each generation of the workload.
func (w *Watch) current(ctx context.Context, o evidence.Object, selector labels.Selector) error {
	if w.hash != "" && w.revision == o.GetGeneration() {
		return nil
	}
	w.hash, w.revision = "", o.GetGeneration()
	if set, ok := o.(*appsv1.StatefulSet); ok {
		if set.Status.ObservedGeneration >= set.Generation {
			w.hash = set.Status.UpdateRevision
		}
		return nil
	}
	kind, label := "controllerrevisions", appsv1.ControllerRevisionHashLabelKey
	observed := int64(0)
	switch o := o.(type) {
	case *appsv1.Deployment:
		kind, label, observed = "replicasets", appsv1.DefaultDeploymentUniqueLabelKey, o.Status.ObservedGeneration
	case *appsv1.DaemonSet:
		observed = o.Status.ObservedGeneration
	}
	if observed < o.GetGeneration() {
		return nil
	}
	list, err := w.Cluster.Objects.Resource(appsv1.SchemeGroupVersion.WithResource(kind)).Namespace(o.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return fmt.Errorf("list the revisions of %s: %w", named(w.Subject), err)
	}
	newest := int64(-1)
	for i := range list.Items {
		u := &list.Items[i]
		if !metav1.IsControlledBy(u, o) {
			continue
		}
		if n := revisionOf(u); n > newest {
			newest, w.hash = n, u.GetLabels()[label]
		}
	}
	return nil
}

// revisionOf returns the number of a revision: a field of a ControllerRevision, an annotation of a ReplicaSet.
func revisionOf(u *unstructured.Unstructured) int64 {
	if n, found, err := unstructured.NestedInt64(u.Object, "revision"); found && err == nil {
		return n
	}
	n, err := strconv.ParseInt(u.GetAnnotations()["deployment.kubernetes.io/revision"], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// add adds what pods show, whose containers may be more than those of their template.
func (w *Watch) add(s *sight, items []unstructured.Unstructured, want int, template []corev1.Container) error {
	ready := 0
	for i := range items {
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(items[i].Object, &pod); err != nil {
			return fmt.Errorf("read a pod of %s: %w", named(w.Subject), err)
		}
		s.pods = append(s.pods, evidence.RefTo("Pod", pod.Namespace, pod.Name))
		s.beside = max(s.beside, probing(slices.DeleteFunc(probed(&pod.Spec), func(c corev1.Container) bool {
			return slices.ContainsFunc(template, func(t corev1.Container) bool { return t.Name == c.Name })
		})))
		if isReady(&pod) {
			ready++
		}
		if death, at := w.deathIn(&pod); death != "" && !at.Before(s.died) {
			s.death, s.died, s.troubled = death, at, true
		}
		s.troubled = s.troubled || waits(&pod)
	}
	if ready < want {
		s.reason = cmp.Or(s.reason, fmt.Sprintf("%d of %d pods are ready", ready, want))
	}
	// What does not get ready within this time may be kept from it by something that only a diagnosis tells.
	s.troubled = s.troubled || s.reason != "" && w.Cluster.Now().Sub(w.Since) > time.Minute
	return nil
}

func isReady(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// waits tells whether a container waits for what does not come by itself: for anything but its turn.
func waits(pod *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(st corev1.ContainerStatus) bool {
		waiting := st.State.Waiting
		return waiting != nil && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing" && waiting.Reason != ""
	})
}

// deathIn returns in words how a container of a pod ended last after the change, or the pod itself, and when; "" where
// none did. What completes as it should is no death.
func (w *Watch) deathIn(pod *corev1.Pod) (death string, at time.Time) {
	since := w.Since.Truncate(time.Second) // of which the status is a multiple
	young := !pod.CreationTimestamp.Time.Before(since)
	if pod.Status.Phase == corev1.PodFailed && young {
		return fmt.Sprintf("pod %s failed: %s", pod.Name, cmp.Or(pod.Status.Reason, pod.Status.Message, "its containers ended")), pod.CreationTimestamp.Time
	}
	once := map[string]bool{} // containers that may complete
	for i := range pod.Spec.InitContainers {
		once[pod.Spec.InitContainers[i].Name] = true
	}
	for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		for _, end := range []*corev1.ContainerStateTerminated{st.LastTerminationState.Terminated, st.State.Terminated} {
			if end == nil || end.FinishedAt.Time.Before(at) || !tells(end, since, young) {
				continue
			}
			if end.ExitCode == 0 && (once[st.Name] || pod.Spec.RestartPolicy != corev1.RestartPolicyAlways) {
				continue
			}
			at = end.FinishedAt.Time
			death = fmt.Sprintf("container %s of pod %s ended at %s: exit code %d, reason %s", st.Name, pod.Name, at.UTC().Format("15:04:05Z"), end.ExitCode, cmp.Or(end.Reason, "none"))
		}
	}
	return death, at
}

// tells tells whether an end tells something of a change: one after it, or in the same second of what began after it.
func tells(end *corev1.ContainerStateTerminated, since time.Time, young bool) bool {
	return end.FinishedAt.After(since) || !end.FinishedAt.Time.Before(since) && (young || !end.StartedAt.Time.Before(since))
}
