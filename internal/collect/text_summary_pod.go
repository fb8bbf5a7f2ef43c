// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// pod reads the summary of a pod.
func (z *summarizer) pod(s summary) bool {
	name, namespace := nameIn(s, "podname", "pod")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: s.labels("labels")}}
	status := s.inner("status")
	if status == nil {
		status = s
	}
	spec := s.inner("spec")
	if spec == nil {
		spec = s
	}
	pod.CreationTimestamp = metav1.NewTime(s.time(z.part, "createdat", "creationtimestamp", "created", "creationtime"))
	if start := s.time(z.part, "starttime", "startedat"); !start.IsZero() {
		at := metav1.NewTime(start)
		pod.Status.StartTime = &at
	}
	if gone := s.time(z.part, "deletiontimestamp", "deletedat"); !gone.IsZero() {
		at := metav1.NewTime(gone)
		pod.DeletionTimestamp = &at
	}
	if node := spec.text("nodename", "node", "hostname"); isName(node) && !notANode[strings.ToLower(node)] {
		pod.Spec.NodeName = node
	}
	pod.Status.Reason, pod.Status.Message = status.text("statusreason", "reason"), status.text("statusmessage", "message")
	pod.Status.PodIP = status.text("podip", "ip")
	z.owner(s, pod)
	for _, c := range z.conditions(status) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodConditionType(c.kind), Status: c.status, Reason: c.reason, Message: c.message, LastTransitionTime: c.at,
		})
	}
	z.containers(pod, s, status, spec)
	z.phase(pod, status.text("phase", "status", "state"), s)
	if policy := spec.text("restartpolicy"); policy != "" {
		pod.Spec.RestartPolicy = corev1.RestartPolicy(policy)
	} else {
		pod.Spec.RestartPolicy = likelyPolicy(pod)
	}
	z.part.add(pod, summed, evidence.Spec|evidence.Status)
	return true
}

// notANode are words that stand where a node would, for a pod that has none.
var notANode = map[string]bool{"unscheduled": true, "none": true, "null": true, "unassigned": true, "pending": true, "unknown": true, "n/a": true}

func (z *summarizer) owner(s summary, pod *corev1.Pod) {
	if o := s.inner("owner", "controlledby", "controller"); o != nil {
		if kind := kindNamed(o.text("kind")); kind != "" && isName(o.text("name")) {
			pod.OwnerReferences = controlledBy(kind, o.text("name"))
		}
		return
	}
	if ref, ok := refNamed(s.text("owner", "controlledby", "controller"), pod.Namespace); ok && kindNamed(ref.Kind) != "" {
		pod.OwnerReferences = controlledBy(ref.Kind, ref.Name)
	}
}

// phase takes the phase, or the word that kubectl get pods has for the state.
func (z *summarizer) phase(pod *corev1.Pod, word string, s summary) {
	switch phase := corev1.PodPhase(word); phase {
	case corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed, corev1.PodUnknown:
		pod.Status.Phase = phase
		return
	}
	restarts, _ := s.number("restartcount", "restarts", "totalrestarts")
	if len(pod.Status.ContainerStatuses) > 0 || word == "" {
		pod.Status.Phase = corev1.PodRunning
		return
	}
	if len(pod.Spec.Containers) == 0 {
		pod.Spec.Containers = []corev1.Container{{Name: unnamed}}
	}
	b := podWord{pod: pod, part: z.part, restarts: restarts}
	if ready, told := s.truth("ready"); told && ready {
		b.ready = int32(len(pod.Spec.Containers))
	}
	b.read(word)
}

// containers reads the containers of a summary.
func (z *summarizer) containers(pod *corev1.Pod, s, status, spec summary) {
	for _, l := range []struct {
		list   []any
		spec   *[]corev1.Container
		status *[]corev1.ContainerStatus
	}{
		{firstList(s, status, spec, "initcontainers", "initcontainerstatuses"), &pod.Spec.InitContainers, &pod.Status.InitContainerStatuses},
		{firstList(s, status, spec, "containers", "containerstatuses", "containersstatus"), &pod.Spec.Containers, &pod.Status.ContainerStatuses},
	} {
		for _, item := range l.list {
			c := summaryOf(item)
			name := c.text("name", "containername", "container")
			if word, ok := item.(string); ok {
				name = word
			}
			if name == "" {
				continue
			}
			box := corev1.Container{Name: name, Image: c.text("image"), Command: texts(c.list("command")), Args: texts(c.list("args"))}
			resources := c.inner("resources")
			if resources == nil {
				resources = c
			}
			box.Resources.Limits, box.Resources.Requests = amountsIn(resources, "limit"), amountsIn(resources, "request")
			*l.spec = append(*l.spec, box)
			if c != nil {
				*l.status = append(*l.status, z.containerStatus(name, c))
			}
		}
	}
}

func firstList(s, status, spec summary, keys ...string) []any {
	for _, from := range []summary{status, s, spec} {
		if l := from.list(keys...); l != nil {
			return l
		}
	}
	return nil
}

func texts(list []any) []string {
	var all []string
	for _, item := range list {
		all = append(all, textOf(item))
	}
	return all
}

// amountsIn reads limits or requests: {"limits": {"cpu": "1"}}, {"memory_limit": "256Mi"}, {"limits_memory": …}.
func amountsIn(s summary, what string) corev1.ResourceList {
	list := corev1.ResourceList{}
	inner := s.inner(what+"s", "resource"+what+"s")
	for name, key := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: "cpu", corev1.ResourceMemory: "memory", corev1.ResourceEphemeralStorage: "ephemeralstorage",
	} {
		text := s.text(key+what, key+what+"s", what+key, what+"s"+key)
		if inner != nil {
			text = inner.text(key)
		}
		if amount, err := quantity.ParseQuantity(text); err == nil {
			list[name] = amount
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func (z *summarizer) containerStatus(name string, c summary) corev1.ContainerStatus {
	st := corev1.ContainerStatus{Name: name, Image: c.text("image"), ImageID: c.text("imageid"), ContainerID: c.text("containerid")}
	st.Ready, _ = c.truth("ready", "isready")
	st.RestartCount, _ = c.number("restartcount", "restarts")
	var ended *corev1.ContainerStateTerminated
	st.State, ended = z.state(c, "state", "status", "currentstate")
	if last, _ := z.state(c, "laststate", "lastterminationstate", "previousstate", "lastterminated"); last.Terminated != nil {
		ended = last.Terminated
	}
	if st.State.Terminated == nil || ended != st.State.Terminated {
		st.LastTerminationState.Terminated = ended
	}
	return st
}

// state reads a state in any of the forms that tools give it: an object in an object as in Kubernetes, a flat object, or
// a word beside the other fields. Where a waiting one tells of an exit code, that is the end before.
func (z *summarizer) state(c summary, keys ...string) (state corev1.ContainerState, before *corev1.ContainerStateTerminated) {
	flat, word := c.inner(keys...), ""
	if flat == nil {
		if word = strings.ToLower(c.text(keys...)); word == "" {
			return state, nil
		}
		flat = c
	}
	for _, kind := range []string{"running", "waiting", "terminated"} {
		inner := flat.inner(kind)
		yes, _ := flat.truth(kind)
		if inner != nil {
			flat, word = inner, kind
			break
		}
		if yes && word == "" {
			word = kind
		}
	}
	if word == "" {
		word = strings.ToLower(flat.text("type", "status", "state"))
	}
	ended := z.ended(flat)
	switch {
	case word == "running":
		state.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(flat.time(z.part, "startedat", "started", "starttime"))}
		return state, nil
	case word == "terminated" || word == "" && ended != nil && flat.has("exitcode"):
		if ended == nil {
			ended = &corev1.ContainerStateTerminated{Reason: flat.text("reason")}
		}
		state.Terminated = ended
		return state, ended
	case word == "waiting" || flat.text("reason") != "":
		state.Waiting = &corev1.ContainerStateWaiting{Reason: flat.text("reason"), Message: flat.text("message")}
		if ended != nil && ended.Reason == state.Waiting.Reason {
			ended.Reason = ""
			ended.Message = ""
		}
		fromMessage(ended, state.Waiting.Message)
	}
	return state, ended
}

// ended reads an end; nil where there is no exit code.
func (z *summarizer) ended(s summary) *corev1.ContainerStateTerminated {
	code, told := s.number("exitcode", "code")
	if !told {
		return nil
	}
	t := &corev1.ContainerStateTerminated{ExitCode: code, Reason: s.text("terminationreason", "lastreason", "reason"), Message: s.text("message")}
	t.StartedAt = metav1.NewTime(s.time(z.part, "startedat", "started", "starttime"))
	t.FinishedAt = metav1.NewTime(s.time(z.part, "finishedat", "finished", "endedat", "terminatedat"))
	if n, ok := s.number("signal"); ok {
		t.Signal = n
	}
	return t
}

// saidReason finds the reason of the end before in the message of a waiting state, where tools put it.
var saidReason = regex.New(`(?:reason|Reason)[=: ]+"?([A-Z][A-Za-z]+)`)

func fromMessage(t *corev1.ContainerStateTerminated, message string) {
	if t == nil || t.Reason != "" {
		return
	}
	if m := saidReason.FindStringSubmatch(message); m != nil {
		t.Reason = m[1]
	} else if t.ExitCode != 0 {
		t.Reason = "Error" // what the kubelet writes for any code but 0 that has no other reason
	} else {
		t.Reason = "Completed"
	}
}

// A conditionText is a condition of anything.
type conditionText struct {
	kind, reason, message string
	status                corev1.ConditionStatus
	at, beat              metav1.Time
}

// conditions reads a list of conditions, or an object of them by type.
func (z *summarizer) conditions(s summary) []conditionText {
	var list []conditionText
	add := func(kind string, c summary, status string) {
		t := conditionText{kind: kind, reason: c.text("reason"), message: c.text("message")}
		t.at = metav1.NewTime(c.time(z.part, "lasttransitiontime", "lasttransition", "since"))
		t.beat = metav1.NewTime(c.time(z.part, "lastheartbeattime", "lastheartbeat"))
		switch strings.ToLower(status) {
		case "true":
			t.status = corev1.ConditionTrue
		case "false":
			t.status = corev1.ConditionFalse
		default:
			t.status = corev1.ConditionUnknown
		}
		if kind != "" {
			list = append(list, t)
		}
	}
	for _, item := range s.list("conditions") {
		c := summaryOf(item)
		add(c.text("type", "name", "condition"), c, c.text("status", "value"))
	}
	if m, ok := s["conditions"].(map[string]any); ok {
		for _, kind := range sortedKeys(m) {
			c := summaryOf(m[kind])
			add(kind, c, textOf(m[kind])+c.text("status"))
		}
	}
	return list
}
