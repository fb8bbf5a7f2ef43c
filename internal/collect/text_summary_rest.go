// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// event reads the summary of an Event.
func (z *summarizer) event(s summary) bool {
	_, namespace := nameIn(s)
	about, ok := eventObject(s, namespace)
	if !ok {
		return false
	}
	e := textEvent{
		about: about, kind: s.text("type", "severity", "level"), reason: s.text("reason"), message: s.text("message", "note", "msg"),
		reporter: s.text("component", "source", "reportingcomponent", "reportingcontroller", "from"), count: 1,
	}
	if n, ok := s.number("count"); ok {
		e.count = int(n)
	}
	if source := s.inner("source"); source != nil {
		e.reporter, e.host = source.text("component"), source.text("host")
	}
	if strings.EqualFold(e.kind, "normal") || strings.EqualFold(e.kind, "info") {
		e.kind = "Normal"
	} else {
		e.kind = "Warning"
	}
	e.at = s.time(z.part, "lasttime", "lasttimestamp", "lastseen", "timestamp", "time", "eventtime", "firsttime", "firsttimestamp", "firstseen", "createdat")
	if e.began = s.time(z.part, "firsttime", "firsttimestamp", "firstseen"); e.began.IsZero() {
		e.began = e.at
	}
	e.last = parseAge(s.text("age", "lastseen"))
	e.about = inContainer(about, &e)
	if path := fieldPath.FindStringSubmatch(s.text("fieldpath", "subobject")); path != nil {
		e.about = e.about.InContainer(path[1])
	}
	z.part.wide = true
	z.part.event(e)
	return true
}

// eventObject finds what an Event is about: "Pod/web-0", an object with kind and name, or two fields.
func eventObject(s summary, namespace string) (evidence.Ref, bool) {
	for _, key := range []string{"involvedobject", "object", "regarding", "involved", "resource"} {
		if o := s.inner(key); o != nil {
			kind, name := cmp.Or(kindNamed(o.text("kind")), o.text("kind")), o.text("name")
			return evidence.RefTo(kind, cmp.Or(o.text("namespace"), namespace), name), kind != "" && isName(name)
		}
		if ref, ok := refNamed(s.text(key), namespace); ok {
			return ref, true
		}
	}
	name := s.text("objectname", "involvedname", "involvedobjectname", "podname", "pod", "name", "object")
	kind := cmp.Or(kindNamed(s.text("objectkind", "involvedkind", "involvedobjectkind", "kind")), "Pod")
	return evidence.RefTo(kind, namespace, name), isName(name)
}

// node reads the summary of a node: conditions as a list, or as fields of their own ("memory_pressure": "False").
func (z *summarizer) node(s summary) bool {
	name, _ := nameIn(s, "nodename", "node")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: s.labels("labels")}}
	for _, c := range z.conditions(s) {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
			Type: corev1.NodeConditionType(c.kind), Status: c.status, Reason: c.reason, Message: c.message,
			LastTransitionTime: c.at, LastHeartbeatTime: c.beat,
		})
	}
	if len(node.Status.Conditions) == 0 {
		z.nodeFields(s, node)
	}
	node.Status.Capacity, node.Status.Allocatable = nodeAmounts(s, "capacity"), nodeAmounts(s, "allocatable")
	node.Spec.Unschedulable, _ = s.truth("unschedulable", "schedulingdisabled", "cordoned")
	node.Status.NodeInfo.KubeletVersion = s.text("kubeletversion", "version")
	node.Status.NodeInfo.KernelVersion = s.text("kernelversion", "kernel")
	node.Status.NodeInfo.BootID = s.text("bootid")
	for _, item := range s.list("taints") {
		if t := summaryOf(item); t != nil {
			node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: t.text("key"), Value: t.text("value"), Effect: corev1.TaintEffect(t.text("effect"))})
		}
		node.Spec.Taints = append(node.Spec.Taints, readTaints([]string{textOf(item)})...)
	}
	z.part.add(node, summed, evidence.Status|evidence.Node)
	return true
}

func (z *summarizer) nodeFields(s summary, node *corev1.Node) {
	for _, f := range []struct {
		key  string
		kind corev1.NodeConditionType
	}{
		{"ready", corev1.NodeReady}, {"memorypressure", corev1.NodeMemoryPressure}, {"diskpressure", corev1.NodeDiskPressure},
		{"pidpressure", corev1.NodePIDPressure}, {"networkunavailable", corev1.NodeNetworkUnavailable},
	} {
		word := s.text(f.key)
		if f.key == "ready" && word == "" {
			word, _, _ = strings.Cut(s.text("status"), ",")
		}
		status := corev1.ConditionUnknown
		switch strings.ToLower(word) {
		case "":
			continue
		case "true", "ready":
			status = corev1.ConditionTrue
		case "false", "notready":
			status = corev1.ConditionFalse
		}
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: f.kind, Status: status})
	}
}

// nodeAmounts reads {"capacity": {"cpu": "4"}} and {"capacity_cpu": "4"}.
func nodeAmounts(s summary, what string) corev1.ResourceList {
	list := corev1.ResourceList{}
	if m, ok := s[what].(map[string]any); ok {
		for _, name := range sortedKeys(m) {
			if amount, err := quantity.ParseQuantity(textOf(m[name])); err == nil {
				list[corev1.ResourceName(name)] = amount
			}
		}
	}
	for name, key := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: "cpu", corev1.ResourceMemory: "memory", corev1.ResourcePods: "pods", corev1.ResourceEphemeralStorage: "ephemeralstorage",
	} {
		if amount, err := quantity.ParseQuantity(s.text(what+key, key+what)); err == nil {
			list[name] = amount
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// workload reads the summary of a controller.
func (z *summarizer) workload(s summary, hint string) bool {
	name, namespace := nameIn(s, "deploymentname", "deployment", "workload")
	meta := metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: s.labels("labels")}
	meta.CreationTimestamp = metav1.NewTime(s.time(z.part, "createdat", "creationtimestamp", "created"))
	desired, _ := s.number("desired", "desiredreplicas", "replicas", "specreplicas", "desirednumberscheduled")
	ready, _ := s.number("ready", "readyreplicas", "numberready")
	available, told := s.number("available", "availablereplicas", "numberavailable")
	if !told {
		available = ready
	}
	updated, told := s.number("updated", "updatedreplicas", "uptodate")
	if !told {
		updated = desired
	}
	var o evidence.Object
	switch workloadKind(s, hint) {
	case "ReplicaSet":
		o = &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Replicas: &desired}, Status: appsv1.ReplicaSetStatus{Replicas: ready, ReadyReplicas: ready, AvailableReplicas: available}}
	case "StatefulSet":
		o = &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &desired}, Status: appsv1.StatefulSetStatus{Replicas: desired, ReadyReplicas: ready, AvailableReplicas: available}}
	case "DaemonSet":
		o = &appsv1.DaemonSet{ObjectMeta: meta, Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: desired, NumberReady: ready, NumberAvailable: available, NumberUnavailable: max(desired-available, 0)}}
	case "Job":
		o = z.job(s, meta)
	default:
		d := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &desired}}
		d.Status = appsv1.DeploymentStatus{Replicas: desired, ReadyReplicas: ready, AvailableReplicas: available, UpdatedReplicas: updated, UnavailableReplicas: max(desired-available, 0)}
		for _, c := range z.conditions(s) {
			d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{
				Type: appsv1.DeploymentConditionType(c.kind), Status: c.status, Reason: c.reason, Message: c.message, LastTransitionTime: c.at,
			})
		}
		o = d
	}
	z.part.add(o, summed, evidence.Spec|evidence.Status)
	return true
}

func (z *summarizer) job(s summary, meta metav1.ObjectMeta) evidence.Object {
	job := &batchv1.Job{ObjectMeta: meta}
	if n, ok := s.number("completions"); ok {
		job.Spec.Completions = &n
	}
	if n, ok := s.number("backofflimit"); ok {
		job.Spec.BackoffLimit = &n
	}
	job.Status.Active, _ = s.number("active")
	job.Status.Succeeded, _ = s.number("succeeded")
	job.Status.Failed, _ = s.number("failed")
	for _, c := range z.conditions(s) {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: batchv1.JobConditionType(c.kind), Status: c.status, Reason: c.reason, Message: c.message, LastTransitionTime: c.at,
		})
	}
	return job
}

func (z *summarizer) claim(s summary) bool {
	name, namespace := nameIn(s, "pvcname", "claimname")
	o := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	o.Status.Phase = corev1.PersistentVolumeClaimPhase(s.text("phase", "status"))
	o.Spec.VolumeName = s.text("volume", "volumename")
	if class := s.text("storageclass", "storageclassname"); class != "" {
		o.Spec.StorageClassName = &class
	}
	z.part.add(o, summed, evidence.Status|evidence.Spec)
	return true
}

// logEntries reads logs: one text, lines, or entries with a time and a message, each of which may name its pod.
func (z *summarizer) logEntries(s summary) {
	of := logOwner(s)
	for _, key := range []string{"logs", "log", "lines", "loglines", "entries", "output", "content"} {
		switch v := s[key].(type) {
		case string:
			if of.Name != "" {
				z.keepLog(of, v, time.Time{})
			}
		case []any:
			z.logLines(of, v)
		}
	}
}

func (z *summarizer) logLines(of evidence.Ref, list []any) {
	for _, item := range list {
		if line, ok := item.(string); ok && of.Name != "" {
			z.keepLog(of, line, time.Time{})
			continue
		}
		entry := summaryOf(item)
		owner := logOwner(entry)
		if owner.Name == "" {
			owner = of
		}
		if message := entry.text("message", "msg", "log", "line", "content", "text"); message != "" && owner.Name != "" {
			z.keepLog(owner, message, entry.time(z.part, "timestamp", "time", "ts", "date"))
		}
	}
}

func (z *summarizer) keepLog(of evidence.Ref, text string, at time.Time) {
	if z.logs != nil {
		z.logs(of, text, at)
		z.used = true
	}
}

// podTag matches a tag by which log stores name a pod: "pod_name:web-0".
var podTag = regex.New(`^(?:kube_)?(pod_name|pod|kube_namespace|namespace|kube_container_name|container_name|container):(.+)$`)

// logOwner finds the container that a log, or an entry of one, is of.
func logOwner(s summary) evidence.Ref {
	if s == nil {
		return evidence.Ref{}
	}
	found := map[string]string{
		"pod": s.text("podname", "pod", "kubernetespodname"), "namespace": s.text("namespace", "kubenamespace"),
		"container": s.text("containername", "container"),
	}
	if k := s.inner("kubernetes", "k8s", "labels", "resource"); k != nil && found["pod"] == "" {
		found["pod"], found["namespace"], found["container"] = k.text("podname", "pod"), k.text("namespacename", "namespace"), k.text("containername", "container")
	}
	for _, tag := range s.list("tags") {
		if m := podTag.FindStringSubmatch(textOf(tag)); m != nil {
			key := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(m[1], "_name"), "kube_"), "_name")
			found[key] = cmp.Or(found[key], m[2])
		}
	}
	if !isName(found["pod"]) {
		return evidence.Ref{}
	}
	return evidence.RefTo("Pod", found["namespace"], found["pod"]).InContainer(found["container"])
}
