// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// describedPod reads kubectl describe pod. It prints neither the restart policy, nor hooks and grace periods, nor the
// message of a waiting container, nor reasons of conditions.
func describedPod(d *description, p *part) evidence.Object {
	pod := &corev1.Pod{ObjectMeta: d.meta(p)}
	pod.Spec.PriorityClassName = d.value("Priority Class Name") + d.value("PriorityClassName")
	pod.Spec.ServiceAccountName = d.value("Service Account")
	if class := d.value("Runtime Class Name"); class != "" {
		pod.Spec.RuntimeClassName = &class
	}
	if n, err := strconv.ParseInt(d.value("Priority"), 10, 32); err == nil {
		priority := int32(n)
		pod.Spec.Priority = &priority
	}
	pod.Spec.NodeName, pod.Status.HostIP, _ = strings.Cut(d.value("Node"), "/")
	if start := p.saw(parseTime(d.value("Start Time"))); !start.IsZero() {
		at := metav1.NewTime(start)
		pod.Status.StartTime = &at
	}
	pod.Status.PodIP = d.value("IP")
	pod.Status.Reason, pod.Status.Message = d.value("Reason"), d.text("Message")
	pod.Status.NominatedNodeName = d.value("NominatedNodeName")
	pod.Status.QOSClass = corev1.PodQOSClass(d.value("QoS Class"))
	d.podPhase(pod, p)
	d.podContainers(pod, p)
	for _, row := range d.get("Conditions").all() {
		if f := strings.Fields(row); len(f) == 2 && f[0] != "Type" && isStatus(f[1]) {
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
				Type: corev1.PodConditionType(f[0]), Status: corev1.ConditionStatus(f[1]),
			})
		}
	}
	for _, row := range d.get("Readiness Gates").all() {
		if f := strings.Fields(row); len(f) > 0 && f[0] != "Type" {
			pod.Spec.ReadinessGates = append(pod.Spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: corev1.PodConditionType(f[0])})
		}
	}
	pod.Spec.Volumes = readVolumes(d.get("Volumes"))
	pod.Spec.NodeSelector = d.get("Node-Selectors").pairs()
	pod.Spec.Tolerations = readTolerations(d.get("Tolerations").all())
	pod.Spec.RestartPolicy = likelyPolicy(pod)
	return pod
}

// text returns the value of a key with the lines that follow it.
func (d *description) text(key string) string {
	s := d.get(key)
	if s == nil || none(s.value) {
		return ""
	}
	return strings.TrimSpace(strings.Join(append([]string{s.value}, s.body...), "\n"))
}

func isStatus(s string) bool { return s == "True" || s == "False" || s == "Unknown" }

// terminating matches the status of an object that is being deleted.
var terminating = regex.New(`^Terminating(?: \((?:lasts|expires) (.+)\))?$`)

func (d *description) podPhase(pod *corev1.Pod, p *part) {
	status := d.value("Status")
	m := terminating.FindStringSubmatch(status)
	if m == nil {
		pod.Status.Phase = corev1.PodPhase(status)
		return
	}
	pod.Status.Phase = corev1.PodRunning
	if grace, err := strconv.ParseInt(strings.TrimSuffix(d.value("Termination Grace Period"), "s"), 10, 64); err == nil {
		pod.DeletionGracePeriodSeconds = &grace
	}
	if t := parseTime(m[1]); !t.IsZero() { // before 1.10: expires Mon, 02 Jan 2006 …
		at := metav1.NewTime(t)
		pod.DeletionTimestamp = &at
		return
	}
	pod.DeletionTimestamp = &metav1.Time{}
	lasts := parseAge(m[1])
	lasts.known = true // <invalid>: it ends in the future, and "now" is the closest that is known of it
	p.ago(lasts, func(t time.Time) { pod.DeletionTimestamp.Time = t })
}

func (d *description) podContainers(pod *corev1.Pod, p *part) {
	for key, into := range map[string]struct {
		spec   *[]corev1.Container
		status *[]corev1.ContainerStatus
	}{
		"Init Containers": {&pod.Spec.InitContainers, &pod.Status.InitContainerStatuses},
		"Containers":      {&pod.Spec.Containers, &pod.Status.ContainerStatuses},
	} {
		for _, b := range readBoxes(d.get(key), p) {
			*into.spec = append(*into.spec, b.spec)
			if b.told {
				*into.status = append(*into.status, b.status)
			}
		}
	}
	for _, b := range readBoxes(d.get("Ephemeral Containers"), p) {
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon(b.spec),
		})
		pod.Status.EphemeralContainerStatuses = append(pod.Status.EphemeralContainerStatuses, b.status)
	}
}

// likelyPolicy returns the restart policy that a pod must have had. Controllers other than Jobs allow Always only; a
// pod that ended had another one; a pod of a Job that restarted its containers has OnFailure.
func likelyPolicy(pod *corev1.Pod) corev1.RestartPolicy {
	restarted := slices.ContainsFunc(pod.Status.ContainerStatuses, func(st corev1.ContainerStatus) bool { return st.RestartCount > 0 })
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed && pod.Status.Reason == ""
	owner := metav1.GetControllerOfNoCopy(pod)
	switch {
	case owner != nil && owner.Kind != "Job" && owner.Kind != "Node":
		return corev1.RestartPolicyAlways
	case (owner != nil && owner.Kind == "Job" || ended) && restarted:
		return corev1.RestartPolicyOnFailure
	case owner != nil && owner.Kind == "Job" || ended:
		return corev1.RestartPolicyNever
	}
	return corev1.RestartPolicyAlways
}

// toleration matches one line: "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s".
var toleration = regex.New(`^([^\s:=]*)(?:=([^\s:]*))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?(?: ?op=(Exists|Equal|Lt|Gt))?(?: for (\d+)s)?$`)

func readTolerations(lines []string) []corev1.Toleration {
	var list []corev1.Toleration
	for _, line := range lines {
		m := toleration.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		t := corev1.Toleration{Key: m[1], Value: m[2], Effect: corev1.TaintEffect(m[3]), Operator: corev1.TolerationOperator(m[4])}
		if t.Operator == "" && t.Value == "" {
			t.Operator = corev1.TolerationOpExists
		}
		if seconds, err := strconv.ParseInt(m[5], 10, 64); err == nil {
			t.TolerationSeconds = &seconds
		}
		list = append(list, t)
	}
	return list
}

// pinPod finds when the text was printed: a container's start is given as a time in its state and as an age in its
// Event, and so is that of the pod, which the scheduler's Event precedes by a second or so.
func pinPod(pod *corev1.Pod, p *part) {
	about := evidence.RefOf(pod)
	latest := map[string]age{}
	for i := range p.events {
		if e := &p.events[i]; e.about.Object() == about {
			if known, ok := latest[e.reason]; !ok || e.last.d < known.d {
				latest[e.reason] = e.last
			}
		}
	}
	var started time.Time
	for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		for _, t := range startsOf(&st) {
			if t.After(started) {
				started = t
			}
		}
	}
	p.pin(started, latest["Started"])
	if at := pod.Status.StartTime; at != nil {
		scheduled := latest["Scheduled"]
		scheduled.unit += time.Second
		p.pin(at.Time, scheduled)
	}
}

func startsOf(st *corev1.ContainerStatus) []time.Time {
	var all []time.Time
	for _, state := range []corev1.ContainerState{st.State, st.LastTerminationState} {
		if state.Running != nil {
			all = append(all, state.Running.StartedAt.Time)
		}
		if state.Terminated != nil {
			all = append(all, state.Terminated.StartedAt.Time)
		}
	}
	return all
}
