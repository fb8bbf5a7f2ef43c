// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// unnamed stands for the name of a container where a text has none, as kubectl get pods.
const unnamed = "unnamed"

// podRow reads a row of kubectl get pods. It has no names of containers and one word for what state they are in: that
// of the last one that is not running (kubernetes pkg/printers/internalversion, printPod).
func podRow(r row, meta metav1.ObjectMeta, p *part) evidence.Object {
	pod := &corev1.Pod{ObjectMeta: meta}
	if !none(r["NODE"]) {
		pod.Spec.NodeName = r["NODE"]
	}
	if !none(r["IP"]) {
		pod.Status.PodIP = r["IP"]
	}
	ready, total := ratio(r["READY"])
	total = min(total, 100)
	for i := range total {
		name := unnamed
		if i > 0 {
			name += "-" + strconv.Itoa(int(i)+1)
		}
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name})
	}
	restarts, _, _ := strings.Cut(r["RESTARTS"], " ")
	b := podWord{pod: pod, part: p, ready: ready, restarts: count(restarts)}
	b.read(r["STATUS"])
	pod.Spec.RestartPolicy = likelyPolicy(pod)
	return pod
}

// A podWord makes the status of a pod of the word in its row.
type podWord struct {
	pod             *corev1.Pod
	part            *part
	ready, restarts int32
}

var (
	initWord = regex.New(`^Init:(.+)$`)
	codeWord = regex.New(`^(ExitCode|Signal):(\d+)$`)
)

func (b *podWord) read(word string) {
	st := &b.pod.Status
	st.Phase = corev1.PodRunning
	switch word {
	case "Running", "NotReady":
		b.running(len(b.pod.Spec.Containers))
	case "Pending", "SchedulingGated":
		st.Phase = corev1.PodPending
		if b.pod.Spec.NodeName == "" {
			b.condition(corev1.PodScheduled, corev1.ConditionFalse, strings.TrimPrefix(word, "Pending"))
		}
	case "Terminating":
		b.pod.DeletionTimestamp = &metav1.Time{}
		b.part.ago(age{known: true}, func(t time.Time) { b.pod.DeletionTimestamp.Time = t })
		b.running(int(b.ready))
	case "Completed", "Succeeded":
		st.Phase = corev1.PodSucceeded
		b.last(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}})
	case "Failed", "Evicted", "NodeLost", "NodeShutdown", "Shutdown", "DeadlineExceeded", "UnexpectedAdmissionError",
		"OutOfcpu", "OutOfmemory", "OutOfpods", "Terminated", "NodeAffinity", "Preempting", "NodePorts":
		st.Phase = corev1.PodFailed
		if word != "Failed" {
			st.Reason = word
		}
	case "Unknown":
		st.Phase = corev1.PodUnknown
	default:
		b.stopped(word)
	}
}

// stopped reads the words that are the reason of a container.
func (b *podWord) stopped(word string) {
	if m := initWord.FindStringSubmatch(word); m != nil {
		b.initial(m[1])
		return
	}
	b.running(int(b.ready))
	if state, ok := stateOf(word); ok {
		b.last(state)
		return
	}
	b.last(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: word}})
	if b.ready == 0 && b.restarts == 0 {
		b.pod.Status.Phase = corev1.PodPending
	}
}

// stateOf returns the end that a word stands for. "Error" is none: it comes without the exit code, and so tells no more
// than that a container is not well.
func stateOf(word string) (corev1.ContainerState, bool) {
	if m := codeWord.FindStringSubmatch(word); m != nil {
		n := count(m[2])
		end := &corev1.ContainerStateTerminated{ExitCode: n}
		if m[1] == "Signal" {
			end.ExitCode, end.Signal = 128+n, n
		}
		return corev1.ContainerState{Terminated: end}, true
	}
	if word == "OOMKilled" { // by the kernel's SIGKILL, whatever became of it
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: word, ExitCode: 137}}, true
	}
	return corev1.ContainerState{}, false
}

// initial reads what follows Init: "0/1" while one runs, else why one does not.
func (b *podWord) initial(word string) {
	b.pod.Status.Phase = corev1.PodPending
	st := corev1.ContainerStatus{Name: unnamed + "-init", RestartCount: b.restarts}
	if _, of, ok := strings.Cut(word, "/"); ok && of != "" {
		st.State.Running = &corev1.ContainerStateRunning{}
	} else if state, ok := stateOf(word); ok {
		st.State = state
	} else {
		st.State.Waiting = &corev1.ContainerStateWaiting{Reason: word}
	}
	b.pod.Spec.InitContainers = []corev1.Container{{Name: st.Name}}
	b.pod.Status.InitContainerStatuses = []corev1.ContainerStatus{st}
	for _, c := range b.pod.Spec.Containers {
		b.pod.Status.ContainerStatuses = append(b.pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}},
		})
	}
}

// running adds the status of containers that run, as many of them ready as the row says. Restarts are those of all
// containers together, so only of a single one they are known.
func (b *podWord) running(n int) {
	for i := range min(n, len(b.pod.Spec.Containers)) {
		st := corev1.ContainerStatus{Name: b.pod.Spec.Containers[i].Name, Ready: i < int(b.ready)}
		st.State.Running = &corev1.ContainerStateRunning{}
		if len(b.pod.Spec.Containers) == 1 {
			st.RestartCount = b.restarts
		}
		b.pod.Status.ContainerStatuses = append(b.pod.Status.ContainerStatuses, st)
	}
	if n > 0 {
		ready := corev1.ConditionFalse
		if int(b.ready) >= len(b.pod.Spec.Containers) {
			ready = corev1.ConditionTrue
		}
		b.condition(corev1.PodReady, ready, "")
	}
}

// last adds the status of the containers that are not ready, all in the state that the word tells of one.
func (b *podWord) last(state corev1.ContainerState) {
	have := len(b.pod.Status.ContainerStatuses)
	for i := have; i < len(b.pod.Spec.Containers); i++ {
		st := corev1.ContainerStatus{Name: b.pod.Spec.Containers[i].Name, RestartCount: b.restarts}
		if i == have {
			st.State = state
		}
		b.pod.Status.ContainerStatuses = append(b.pod.Status.ContainerStatuses, st)
	}
}

func (b *podWord) condition(kind corev1.PodConditionType, status corev1.ConditionStatus, reason string) {
	b.pod.Status.Conditions = append(b.pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: status, Reason: reason})
}
