// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// rowReaders read the rows of kubectl get that become objects.
var rowReaders = map[string]func(row, metav1.ObjectMeta, *part) evidence.Object{
	"Pod": podRow, "Node": nodeRow, "Deployment": deploymentRow, "ReplicaSet": replicaSetRow, "StatefulSet": statefulSetRow,
	"DaemonSet": daemonSetRow, "Job": jobRow, "CronJob": cronJobRow, "PersistentVolumeClaim": claimRow,
	"PersistentVolume": volumeRow, "Namespace": namespaceRow, "StorageClass": classRow, "Service": serviceRow,
}

// readRow reads one row of a table into the part. It tells whether it could be read.
func readRow(kind string, r row, p *part) bool {
	switch kind {
	case "Event":
		return eventTableRow(r, p)
	case "top pod", "top node":
		return topRow(kind, r, p)
	case "other", "Endpoints", "ResourceQuota":
		return true // nothing that rules look at
	}
	name := r["NAME"]
	if word, rest, ok := strings.Cut(name, "/"); ok { // kubectl get all, -o name and several kinds at once
		named := kindNamed(word)
		if named == "" {
			return true
		}
		kind, name = named, rest
	}
	read := rowReaders[kind]
	if !isName(name) || !isRow(r) {
		return false
	}
	if read == nil {
		return true
	}
	meta := metav1.ObjectMeta{Name: name, Namespace: r["NAMESPACE"], Labels: labelsIn(r["LABELS"])}
	if clusterKinds[kind] {
		meta.Namespace = ""
	}
	o := read(r, meta, p)
	kinds := evidence.Spec | evidence.Status // what there is of its manifest
	if kind == "Node" {
		kinds |= evidence.Node
	}
	p.ago(parseAge(r["AGE"]), func(t time.Time) { o.SetCreationTimestamp(metav1.NewTime(t)) })
	p.add(o, tabled, kinds)
	return true
}

// isRow tells whether the cells are what their columns hold, so that other text is not taken for a row.
func isRow(r row) bool {
	if namespace := r["NAMESPACE"]; namespace != "" && !isName(namespace) {
		return false
	}
	if ready, ok := r["READY"]; ok && !strings.Contains(ready, "/") && !isNumber(ready) {
		return false
	}
	old, ok := r["AGE"]
	return !ok || parseAge(old).known || old == "<unknown>" || old == "<invalid>"
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

func labelsIn(s string) map[string]string {
	if none(s) {
		return nil
	}
	return readPairs(strings.Split(s, ","), "=")
}

func count(s string) int32 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}

// ratio reads "1/2".
func ratio(s string) (a, b int32) {
	x, y, _ := strings.Cut(s, "/")
	return count(x), count(y)
}

func nodeRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	node := &corev1.Node{ObjectMeta: meta}
	for word := range strings.SplitSeq(r["STATUS"], ",") {
		switch word {
		case "Ready":
			node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue})
		case "NotReady": // kubectl prints it for False and for Unknown
			node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionFalse})
		case "Unknown":
			node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown})
		case "SchedulingDisabled":
			node.Spec.Unschedulable = true
		}
	}
	info := &node.Status.NodeInfo
	info.KubeletVersion, info.OSImage = r["VERSION"], r["OS-IMAGE"]
	info.KernelVersion, info.ContainerRuntimeVersion = r["KERNEL-VERSION"], r["CONTAINER-RUNTIME"]
	if ip := r["INTERNAL-IP"]; !none(ip) {
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}}
	}
	return node
}

// templateRow reads the containers and images that wide tables of controllers print.
func templateRow(r row) corev1.PodTemplateSpec {
	var t corev1.PodTemplateSpec
	images := strings.Split(r["IMAGES"], ",")
	for i, name := range strings.Split(r["CONTAINERS"], ",") {
		if name == "" {
			continue
		}
		c := corev1.Container{Name: name}
		if i < len(images) {
			c.Image = images[i]
		}
		t.Spec.Containers = append(t.Spec.Containers, c)
	}
	return t
}

func selectorCell(r row) *metav1.LabelSelector {
	if m := labelsIn(r["SELECTOR"]); m != nil {
		return &metav1.LabelSelector{MatchLabels: m}
	}
	return nil
}

func deploymentRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	o := &appsv1.Deployment{ObjectMeta: meta}
	ready, desired := ratio(r["READY"])
	if r["DESIRED"] != "" { // before 1.11
		ready, desired = count(r["AVAILABLE"]), count(r["DESIRED"])
	}
	o.Spec.Replicas, o.Spec.Template, o.Spec.Selector = &desired, templateRow(r), selectorCell(r)
	o.Status.Replicas, o.Status.ReadyReplicas = desired, ready
	o.Status.UpdatedReplicas, o.Status.AvailableReplicas = count(r["UP-TO-DATE"]), count(r["AVAILABLE"])
	o.Status.UnavailableReplicas = max(desired-o.Status.AvailableReplicas, 0)
	return o
}

func replicaSetRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	o := &appsv1.ReplicaSet{ObjectMeta: meta}
	desired := count(r["DESIRED"])
	o.Spec.Replicas, o.Spec.Template, o.Spec.Selector = &desired, templateRow(r), selectorCell(r)
	o.Status.Replicas, o.Status.ReadyReplicas = count(r["CURRENT"]), count(r["READY"])
	return o
}

func statefulSetRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	o := &appsv1.StatefulSet{ObjectMeta: meta}
	ready, desired := ratio(r["READY"])
	o.Spec.Replicas, o.Spec.Template = &desired, templateRow(r)
	o.Status.ReadyReplicas = ready
	o.Status.Replicas = desired
	return o
}

func daemonSetRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	o := &appsv1.DaemonSet{ObjectMeta: meta}
	o.Spec.Template, o.Spec.Selector = templateRow(r), selectorCell(r)
	o.Status.DesiredNumberScheduled, o.Status.CurrentNumberScheduled = count(r["DESIRED"]), count(r["CURRENT"])
	o.Status.NumberReady, o.Status.UpdatedNumberScheduled = count(r["READY"]), count(r["UP-TO-DATE"])
	o.Status.NumberAvailable = count(r["AVAILABLE"])
	o.Status.NumberUnavailable = max(o.Status.DesiredNumberScheduled-o.Status.NumberAvailable, 0)
	return o
}

func jobRow(r row, meta metav1.ObjectMeta, p *part) evidence.Object {
	o := &batchv1.Job{ObjectMeta: meta}
	succeeded, wanted := ratio(cmp.Or(r["COMPLETIONS"], r["SUCCESSFUL"]+"/"+r["DESIRED"]))
	o.Spec.Completions, o.Spec.Template, o.Status.Succeeded = &wanted, templateRow(r), succeeded
	condition := map[string]batchv1.JobConditionType{"Complete": batchv1.JobComplete, "Failed": batchv1.JobFailed, "Suspended": batchv1.JobSuspended}[r["STATUS"]]
	if condition == "" && wanted > 0 && succeeded >= wanted {
		condition = batchv1.JobComplete
	}
	if condition != "" {
		o.Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: corev1.ConditionTrue}}
	}
	started := parseAge(r["AGE"])
	p.ago(started, func(t time.Time) { at := metav1.NewTime(t); o.Status.StartTime = &at })
	return o
}

func cronJobRow(r row, meta metav1.ObjectMeta, p *part) evidence.Object {
	o := &batchv1.CronJob{ObjectMeta: meta}
	suspended := strings.EqualFold(r["SUSPEND"], "true")
	o.Spec.Schedule, o.Spec.Suspend = r["SCHEDULE"], &suspended
	p.ago(parseAge(r["LAST SCHEDULE"]), func(t time.Time) { at := metav1.NewTime(t); o.Status.LastScheduleTime = &at })
	return o
}

func claimRow(r row, meta metav1.ObjectMeta, p *part) evidence.Object {
	o := &corev1.PersistentVolumeClaim{ObjectMeta: meta}
	if r["STATUS"] == "Terminating" {
		o.DeletionTimestamp = &metav1.Time{}
		p.ago(age{known: true}, func(t time.Time) { o.DeletionTimestamp.Time = t })
	} else {
		o.Status.Phase = corev1.PersistentVolumeClaimPhase(r["STATUS"])
	}
	o.Spec.VolumeName, o.Spec.AccessModes = r["VOLUME"], readModes(r["ACCESS MODES"])
	if class := r["STORAGECLASS"]; !none(class) {
		o.Spec.StorageClassName = &class
	}
	if amount, err := quantity.ParseQuantity(r["CAPACITY"]); err == nil {
		o.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: amount}
	}
	return o
}

func volumeRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	o := &corev1.PersistentVolume{ObjectMeta: meta}
	o.Status.Phase, o.Status.Reason = corev1.PersistentVolumePhase(r["STATUS"]), r["REASON"]
	o.Spec.StorageClassName, o.Spec.AccessModes = r["STORAGECLASS"], readModes(r["ACCESS MODES"])
	o.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimPolicy(r["RECLAIM POLICY"])
	if namespace, name, ok := strings.Cut(r["CLAIM"], "/"); ok {
		o.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name}
	}
	return o
}

func namespaceRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	return &corev1.Namespace{ObjectMeta: meta, Status: corev1.NamespaceStatus{Phase: corev1.NamespacePhase(r["STATUS"])}}
}

func classRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	return &storagev1.StorageClass{ObjectMeta: meta, Provisioner: r["PROVISIONER"]}
}

func serviceRow(r row, meta metav1.ObjectMeta, _ *part) evidence.Object {
	o := &corev1.Service{ObjectMeta: meta}
	o.Spec.Type, o.Spec.ClusterIP, o.Spec.Selector = corev1.ServiceType(r["TYPE"]), r["CLUSTER-IP"], labelsIn(r["SELECTOR"])
	for one := range strings.SplitSeq(r["PORT(S)"], ",") {
		n, protocol, ok := strings.Cut(one, "/")
		n, _, _ = strings.Cut(n, ":")
		if port := count(n); ok && port > 0 {
			o.Spec.Ports = append(o.Spec.Ports, corev1.ServicePort{Port: port, Protocol: corev1.Protocol(protocol)})
		}
	}
	return o
}
