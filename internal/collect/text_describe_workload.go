// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// counted matches the numbers of a line such as "3 desired | 1 updated | 3 total | 2 available | 1 unavailable".
var counted = regex.New(`(\d+) ([A-Za-z]+)`)

// counts reads the numbers of a line by the word that follows each.
func counts(s string) map[string]int32 {
	m := map[string]int32{}
	for _, c := range counted.FindAllStringSubmatch(s, 16) {
		if n, err := strconv.ParseInt(c[1], 10, 32); err == nil {
			m[strings.ToLower(c[2])] = int32(n)
		}
	}
	return m
}

func number(s string) (*int32, bool) {
	n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(s), "s"), 10, 32)
	small := int32(n)
	return &small, err == nil
}

// template reads a pod template, which is described like a pod, indented.
func (d *description) template(p *part) corev1.PodTemplateSpec {
	var t corev1.PodTemplateSpec
	s := d.get("Pod Template")
	if s == nil {
		return t
	}
	parts := &description{}
	for i, line := range s.body {
		m := templateLine.FindStringSubmatch(line)
		if m != nil && marginKeys[m[1]] {
			parts.sections = append(parts.sections, section{key: m[1], value: strings.TrimSpace(m[2]), line: s.line + 1 + i})
		} else if n := len(parts.sections); n > 0 {
			parts.sections[n-1].body = append(parts.sections[n-1].body, line)
		}
	}
	t.Labels, t.Annotations = parts.get("Labels").pairs(), parts.get("Annotations").notes()
	t.Spec.ServiceAccountName, t.Spec.PriorityClassName = parts.value("Service Account"), parts.value("Priority Class Name")
	for _, b := range readBoxes(parts.get("Init Containers"), p) {
		t.Spec.InitContainers = append(t.Spec.InitContainers, b.spec)
	}
	for _, b := range readBoxes(parts.get("Containers"), p) {
		t.Spec.Containers = append(t.Spec.Containers, b.spec)
	}
	t.Spec.Volumes = readVolumes(parts.get("Volumes"))
	t.Spec.NodeSelector = parts.get("Node-Selectors").pairs()
	t.Spec.Tolerations = readTolerations(parts.get("Tolerations").all())
	return t
}

// templateLine matches a key of a pod template, which is two blanks in.
var templateLine = regex.New(`^ {2}([A-Z][A-Za-z -]*[A-Za-z]):(?:[ \t]+(.*))?$`)

// selector reads a label selector in kubectl's form.
func (d *description) selector() *metav1.LabelSelector {
	text := d.value("Selector")
	if text == "" {
		return nil
	}
	selector, err := metav1.ParseToLabelSelector(text)
	if err != nil {
		return nil
	}
	return selector
}

func describedDeployment(d *description, p *part) evidence.Object {
	n := counts(d.value("Replicas"))
	desired := n["desired"]
	o := &appsv1.Deployment{ObjectMeta: d.meta(p)}
	o.Spec.Replicas, o.Spec.Selector, o.Spec.Template = &desired, d.selector(), d.template(p)
	o.Spec.Strategy.Type = appsv1.DeploymentStrategyType(d.value("StrategyType"))
	o.Status.Replicas, o.Status.UpdatedReplicas, o.Status.AvailableReplicas = n["total"], n["updated"], n["available"]
	o.Status.UnavailableReplicas, o.Status.ReadyReplicas = n["unavailable"], n["available"]
	for _, line := range d.conditionLines() {
		if m := shortConditionRow.FindStringSubmatch(line); m != nil {
			o.Status.Conditions = append(o.Status.Conditions, appsv1.DeploymentCondition{
				Type: appsv1.DeploymentConditionType(m[1]), Status: corev1.ConditionStatus(m[2]), Reason: m[3],
			})
		}
	}
	for _, key := range []string{"OldReplicaSets", "OldReplicaSet", "NewReplicaSet"} {
		d.replicaSets(key, p)
	}
	return o
}

// setText matches one of the ReplicaSets that a Deployment is described with.
var setText = regex.New(`(\S+) \((\d+)/(\d+) replicas created\)`)

// replicaSets adds the ReplicaSets that are named below a Deployment.
func (d *description) replicaSets(key string, p *part) {
	for _, m := range setText.FindAllStringSubmatch(d.value(key), 100) {
		current, ok := number(m[2])
		desired, ok2 := number(m[3])
		if !ok || !ok2 {
			continue
		}
		rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: m[1], OwnerReferences: controlledBy("Deployment", d.name)}}
		rs.Spec.Replicas, rs.Status.Replicas = desired, *current
		p.add(rs, guessed, 0)
	}
}

func describedReplicaSet(d *description, p *part) evidence.Object {
	n := counts(d.value("Replicas"))
	desired := n["desired"]
	o := &appsv1.ReplicaSet{ObjectMeta: d.meta(p)}
	o.Spec.Replicas, o.Spec.Selector, o.Spec.Template = &desired, d.selector(), d.template(p)
	o.Status.Replicas = n["current"]
	for _, line := range d.conditionLines() {
		if m := shortConditionRow.FindStringSubmatch(line); m != nil {
			o.Status.Conditions = append(o.Status.Conditions, appsv1.ReplicaSetCondition{
				Type: appsv1.ReplicaSetConditionType(m[1]), Status: corev1.ConditionStatus(m[2]), Reason: m[3],
			})
		}
	}
	return o
}

func describedStatefulSet(d *description, p *part) evidence.Object {
	n := counts(d.value("Replicas"))
	desired := n["desired"]
	o := &appsv1.StatefulSet{ObjectMeta: d.meta(p)}
	o.Spec.Replicas, o.Spec.Selector, o.Spec.Template = &desired, d.selector(), d.template(p)
	o.Spec.UpdateStrategy.Type = appsv1.StatefulSetUpdateStrategyType(d.value("Update Strategy"))
	o.Status.Replicas, o.Status.ReadyReplicas = n["total"], counts(d.value("Pods Status"))["running"]
	return o
}

func describedDaemonSet(d *description, p *part) evidence.Object {
	o := &appsv1.DaemonSet{ObjectMeta: d.meta(p)}
	o.Spec.Selector, o.Spec.Template = d.selector(), d.template(p)
	for key, into := range map[string]*int32{
		"Desired Number of Nodes Scheduled":              &o.Status.DesiredNumberScheduled,
		"Current Number of Nodes Scheduled":              &o.Status.CurrentNumberScheduled,
		"Number of Nodes Scheduled with Up-to-date Pods": &o.Status.UpdatedNumberScheduled,
		"Number of Nodes Scheduled with Available Pods":  &o.Status.NumberAvailable,
		"Number of Nodes Misscheduled":                   &o.Status.NumberMisscheduled,
	} {
		if n, ok := number(d.value(key)); ok {
			*into = *n
		}
	}
	o.Status.NumberReady = o.Status.NumberAvailable
	o.Status.NumberUnavailable = max(o.Status.DesiredNumberScheduled-o.Status.NumberAvailable, 0)
	return o
}

// describedJob reads a Job. Its conditions are not printed; its Events tell of a deadline or a limit.
func describedJob(d *description, p *part) evidence.Object {
	o := &batchv1.Job{ObjectMeta: d.meta(p)}
	o.Spec = d.jobSpec(p)
	o.Spec.Selector = d.selector()
	if t := p.saw(parseTime(d.value("Start Time"))); !t.IsZero() {
		at := metav1.NewTime(t)
		o.Status.StartTime = &at
	}
	if t := p.saw(parseTime(d.value("Completed At"))); !t.IsZero() {
		at := metav1.NewTime(t)
		o.Status.CompletionTime = &at
		o.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: at}}
	}
	n := counts(betweenParens.ReplaceAllString(d.value("Pods Statuses"), ""))
	o.Status.Active, o.Status.Succeeded, o.Status.Failed = max(n["active"], n["running"]), n["succeeded"], n["failed"]
	return o
}

var betweenParens = regex.New(`\([^)]*\)`)

func (d *description) jobSpec(p *part) batchv1.JobSpec {
	spec := batchv1.JobSpec{Template: d.template(p)}
	for key, into := range map[string]**int32{
		"Parallelism": &spec.Parallelism, "Completions": &spec.Completions, "Backoff Limit": &spec.BackoffLimit,
		"TTL Seconds After Finished": &spec.TTLSecondsAfterFinished,
	} {
		if n, ok := number(d.value(key)); ok {
			*into = n
		}
	}
	if n, ok := number(d.value("Active Deadline Seconds")); ok {
		seconds := int64(*n)
		spec.ActiveDeadlineSeconds = &seconds
	}
	if d.value("Suspend") == "true" {
		yes := true
		spec.Suspend = &yes
	}
	return spec
}

func describedCronJob(d *description, p *part) evidence.Object {
	o := &batchv1.CronJob{ObjectMeta: d.meta(p)}
	o.Spec.Schedule, o.Spec.ConcurrencyPolicy = d.value("Schedule"), batchv1.ConcurrencyPolicy(d.value("Concurrency Policy"))
	o.Spec.JobTemplate.Spec = d.jobSpec(p)
	o.Spec.JobTemplate.Spec.Suspend = nil
	suspended := strings.EqualFold(d.value("Suspend"), "true")
	o.Spec.Suspend = &suspended
	if zone := d.value("Time Zone"); zone != "" {
		o.Spec.TimeZone = &zone
	}
	if n, ok := number(d.value("Starting Deadline Seconds")); ok {
		seconds := int64(*n)
		o.Spec.StartingDeadlineSeconds = &seconds
	}
	if t := p.saw(parseTime(d.value("Last Schedule Time"))); !t.IsZero() {
		at := metav1.NewTime(t)
		o.Status.LastScheduleTime = &at
	}
	for name := range strings.SplitSeq(d.value("Active Jobs"), ", ") {
		if name != "" {
			o.Status.Active = append(o.Status.Active, corev1.ObjectReference{Kind: "Job", Namespace: d.namespace, Name: name})
		}
	}
	return o
}
