// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A linker ties pods to their controllers where the text that tells of them does not: by name, as controllers name what
// they create after themselves.
type linker struct {
	held map[evidence.Ref]*held
	tops []evidence.Ref // controllers that are no one's, the longest names first
}

func (l *linker) link(events []*corev1.Event) {
	for ref := range l.held {
		switch ref.Kind {
		case "Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet":
			l.tops = append(l.tops, ref)
		}
	}
	slices.SortFunc(l.tops, func(a, b evidence.Ref) int {
		if d := len(b.Name) - len(a.Name); d != 0 {
			return d
		}
		return a.Compare(b)
	})
	for _, ref := range l.refs("Pod") {
		h := l.held[ref]
		if owner := metav1.GetControllerOf(h.object); owner != nil {
			if owner.Kind == "ReplicaSet" {
				l.set(evidence.RefTo("ReplicaSet", ref.Namespace, owner.Name))
			}
		} else if h.rank < whole {
			l.pod(h.object)
		}
	}
	for _, e := range events {
		if about := e.InvolvedObject; about.Kind == "ReplicaSet" {
			l.set(evidence.RefTo("ReplicaSet", about.Namespace, about.Name))
		}
	}
	for _, ref := range l.refs("ReplicaSet") {
		if h := l.held[ref]; h.rank < whole && metav1.GetControllerOf(h.object) == nil {
			l.owned(h.object, ref)
		}
	}
	l.sizes()
}

// refs returns what is held of a kind, in order.
func (l *linker) refs(kind string) []evidence.Ref {
	var list []evidence.Ref
	for ref := range l.held {
		if ref.Kind == kind {
			list = append(list, ref)
		}
	}
	slices.SortFunc(list, evidence.Ref.Compare)
	return list
}

// pod finds the controller of a pod by its name.
func (l *linker) pod(pod evidence.Object) {
	name, namespace := pod.GetName(), pod.GetNamespace()
	for _, top := range l.tops {
		rest, ok := strings.CutPrefix(name, top.Name+"-")
		if !ok || top.Namespace != namespace || rest == "" {
			continue
		}
		switch top.Kind {
		case "StatefulSet":
			if _, err := strconv.Atoi(rest); err != nil {
				continue
			}
		case "Deployment":
			i := strings.LastIndexByte(rest, '-')
			if i <= 0 {
				continue
			}
			set := evidence.RefTo("ReplicaSet", namespace, top.Name+"-"+rest[:i])
			l.set(set)
			pod.SetOwnerReferences(controlledBy("ReplicaSet", set.Name))
			return
		default:
			if strings.Contains(rest, "-") {
				continue
			}
		}
		pod.SetOwnerReferences(controlledBy(top.Kind, top.Name))
		return
	}
}

// set makes sure that a ReplicaSet is held, if its Deployment is.
func (l *linker) set(ref evidence.Ref) {
	if l.held[ref] != nil {
		return
	}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}}
	if l.owned(set, ref) {
		l.held[ref] = &held{found: found{set, guessed, 0}, order: len(l.held)}
	}
}

// owned gives a ReplicaSet the Deployment that it is named after.
func (l *linker) owned(set evidence.Object, ref evidence.Ref) bool {
	for _, top := range l.tops {
		if top.Kind == "Deployment" && top.Namespace == ref.Namespace && strings.HasPrefix(ref.Name, top.Name+"-") {
			set.SetOwnerReferences(controlledBy("Deployment", top.Name))
			return true
		}
	}
	return false
}

// sizes fills in how many pods ReplicaSets have that nothing is told of: those that are known; and as wanted, what the
// Deployment wants of its only one.
func (l *linker) sizes() {
	pods, sets := map[string]int32{}, map[string]int{}
	for _, ref := range l.refs("Pod") {
		if owner := metav1.GetControllerOf(l.held[ref].object); owner != nil {
			pods[ref.Namespace+"/"+owner.Name]++
		}
	}
	owner := func(ref evidence.Ref) string {
		if c := metav1.GetControllerOf(l.held[ref].object); c != nil {
			return ref.Namespace + "/" + c.Name
		}
		return ""
	}
	for _, ref := range l.refs("ReplicaSet") {
		sets[owner(ref)]++
	}
	for _, ref := range l.refs("ReplicaSet") {
		set, ok := l.held[ref].object.(*appsv1.ReplicaSet)
		if !ok || set.Spec.Replicas != nil {
			continue
		}
		have := pods[ref.Namespace+"/"+ref.Name]
		set.Status.Replicas = have
		set.Spec.Replicas = &have
		namespace, name, _ := strings.Cut(owner(ref), "/")
		if h := l.held[evidence.RefTo("Deployment", namespace, name)]; h != nil && sets[owner(ref)] == 1 {
			if d, ok := h.object.(*appsv1.Deployment); ok && d.Spec.Replicas != nil {
				wanted := *d.Spec.Replicas
				set.Spec.Replicas = &wanted
			}
		}
	}
}

// stubs assumes that what warnings are about exists, where nothing of the kind is told at all: Events may be all there
// is. Of such a thing only the Events are known.
func (g *gathering) stubs() {
	has := map[string]bool{}
	for ref := range g.held {
		has[ref.Kind+"/"+ref.Namespace] = true
	}
	made := 0
	for _, e := range g.events {
		about := evidence.EventOf(e).About
		ref := about.Object()
		if e.Type != corev1.EventTypeWarning || has[ref.Kind+"/"+ref.Namespace] {
			continue
		}
		if made >= mostStubs {
			g.notice("warnings are about more than %d things: the others are left out", mostStubs)
			return
		}
		h := g.held[ref]
		if h == nil {
			o := stub(ref)
			if o == nil {
				continue
			}
			made++
			g.hold(found{o, guessed, evidence.Events})
			h = g.held[ref]
		}
		if pod, ok := h.object.(*corev1.Pod); ok && about.Container != "" && evidence.ContainerSpec(pod, about.Container) == nil {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: about.Container})
		}
	}
}

// onlyItsLog is what is missing of a container of which there is nothing but its log.
const onlyItsLog = "there is only its log, which does not say whether and how it ended: add what kubectl describe pod or kubectl get pod -o yaml prints"

// onlyLogs tells whether there is a log of a container.
func (g *gathering) onlyLogs() bool {
	return slices.ContainsFunc(g.logs, func(l pendingLog) bool { return !l.doubtful })
}

// strays assumes a pod for each log where nothing tells of any pod: named as the text names it, else after the file.
func (g *gathering) strays() {
	if len(g.pods()) > 0 {
		return
	}
	for i := range g.logs {
		l := &g.logs[i]
		switch {
		case l.doubtful:
			continue
		case i >= mostStubs:
			g.notice("there are more than %d logs and no pods: the others are left out; add what kubectl get pods -o yaml prints", mostStubs)
			g.logs = g.logs[:i]
			return
		}
		if l.of.Name == "" {
			l.of = evidence.RefTo("Pod", "", cmp.Or(nameFrom(l.name), "log"))
		}
		l.of.Namespace = cmp.Or(l.of.Namespace, metav1.NamespaceDefault)
		l.of.Container = cmp.Or(l.of.Container, l.of.Name)
		if g.held[l.of.Object()] == nil {
			g.hold(found{stub(l.of), guessed, 0})
		}
		pod := g.held[l.of.Object()].object.(*corev1.Pod)
		if evidence.ContainerSpec(pod, l.of.Container) == nil {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: l.of.Container})
		}
	}
}

// notInName is what the name of a pod has not.
var notInName = regex.New(`[^a-z0-9.-]+`)

// nameFrom makes the name of a pod of that of a file.
func nameFrom(file string) string {
	return strings.Trim(notInName.ReplaceAllString(strings.ToLower(baseName(file)), "-"), "-.")
}

func stub(ref evidence.Ref) evidence.Object {
	meta := metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}
	switch ref.Kind {
	case "Pod":
		return &corev1.Pod{ObjectMeta: meta}
	case "Deployment":
		return &appsv1.Deployment{ObjectMeta: meta}
	case "ReplicaSet":
		return &appsv1.ReplicaSet{ObjectMeta: meta}
	case "StatefulSet":
		return &appsv1.StatefulSet{ObjectMeta: meta}
	case "DaemonSet":
		return &appsv1.DaemonSet{ObjectMeta: meta}
	case "Job":
		return &batchv1.Job{ObjectMeta: meta}
	case "Node":
		return &corev1.Node{ObjectMeta: meta}
	case "PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{ObjectMeta: meta}
	}
	return nil
}

var (
	// toldCode finds an exit code in the words of tools: "exit code 1", "exit_code=137", "exited with code 2".
	toldCode = regex.New(`(?i)(?:exit[_ ]?code|exit status|exited with(?: status| code)?|exiting with code)[ =:]+(\d{1,3})\b`)
	// namedContainer finds the container in the words of the kubelet's Events (kubernetes pkg/kubelet).
	namedContainer = regex.New(`(?:Created container:? |Started container |Stopping container |restarting failed container )([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)(?: |$|,)`)
)

// tellEnds completes what summaries and tables leave out of containers: names, from the Events of the pod; and of one
// that crashes in a loop how it ended, where an Event or the end of a log of another tool tells the code.
func (g *gathering) tellEnds(pods []*corev1.Pod) {
	messages := map[evidence.Ref][]string{}
	for _, e := range g.events {
		about := evidence.EventOf(e).About
		messages[about.Object()] = append(messages[about.Object()], e.Message)
		if about.Container != "" { // in the words of the kubelet, as the messages of others have it
			messages[about.Object()] = append(messages[about.Object()], "Started container "+about.Container)
		}
	}
	for _, pod := range pods {
		ref := evidence.RefOf(pod)
		if g.held[ref].rank >= described {
			continue
		}
		nameContainer(pod, messages[ref])
		for i := range pod.Status.ContainerStatuses {
			st := &pod.Status.ContainerStatuses[i]
			if w := st.State.Waiting; w == nil || w.Reason != "CrashLoopBackOff" || st.LastTerminationState.Terminated != nil {
				continue
			}
			told := append(slices.Clone(messages[ref]), g.lastWords(pod.Name)...)
			st.LastTerminationState.Terminated = endTold(append([]string{st.State.Waiting.Message}, told...))
		}
	}
}

func nameContainer(pod *corev1.Pod, messages []string) {
	if len(pod.Spec.Containers) != 1 || pod.Spec.Containers[0].Name != unnamed {
		return
	}
	for _, text := range messages {
		m := namedContainer.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		pod.Spec.Containers[0].Name = m[1]
		for i := range pod.Status.ContainerStatuses {
			pod.Status.ContainerStatuses[i].Name = m[1]
		}
		return
	}
}

// lastWords returns the last lines of the logs that name a pod as theirs.
func (g *gathering) lastWords(pod string) []string {
	var words []string
	for _, l := range g.logs {
		if l.of.Name != pod {
			continue
		}
		lines := strings.Split(strings.TrimSpace(l.text), "\n")
		words = append(words, lines[max(0, len(lines)-4):]...)
	}
	return words
}

func endTold(texts []string) *corev1.ContainerStateTerminated {
	for _, text := range texts {
		m := toldCode.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		t := &corev1.ContainerStateTerminated{ExitCode: count(m[1])}
		if t.ExitCode > 255 {
			continue
		}
		if strings.Contains(text, "OOMKilled") {
			t.Reason = "OOMKilled"
		}
		fromMessage(t, "")
		return t
	}
	return nil
}
