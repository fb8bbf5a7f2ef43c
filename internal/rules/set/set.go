// SPDX-License-Identifier: Apache-2.0

// Package set holds the rules about manifests together: what names another and is not met by any. Each is run once, over all that was read.
package set

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	NoPods,
	NoPort,
	ConfigAbsent,
	KeyAbsent,
	SecretAbsent,
	AccountAbsent,
	ClaimAbsent,
	TargetAbsent,
	NothingToMeasure,
	ReplicasContested,
	BudgetIdle,
	BudgetBlocks,
	NoBudget,
	HeadlessAbsent,
	BackendAbsent,
	SharedVolume,
}

// An index finds pods of the set without a look at each.
type index struct {
	in     map[string][]*corev1.Pod       // by namespace
	having map[string][]*corev1.Pod       // by namespace and one label
	of     map[evidence.Ref][]*corev1.Pod // by what has their template
	scaled map[evidence.Ref]*autoscalingv2.HorizontalPodAutoscaler
}

// indexOf returns the index of the set, which is made once.
func indexOf(p *diagnosis.Pass) *index {
	all, scalers := diagnosis.List[*corev1.Pod](p), diagnosis.List[*autoscalingv2.HorizontalPodAutoscaler](p)
	return diagnosis.Once(p, "set.index", func() *index {
		x := &index{map[string][]*corev1.Pod{}, map[string][]*corev1.Pod{}, map[evidence.Ref][]*corev1.Pod{}, map[evidence.Ref]*autoscalingv2.HorizontalPodAutoscaler{}}
		for _, pod := range all {
			x.in[pod.Namespace] = append(x.in[pod.Namespace], pod)
			x.of[owner(pod)] = append(x.of[owner(pod)], pod)
			for name, value := range pod.Labels {
				at := pod.Namespace + "/" + name + "=" + value
				x.having[at] = append(x.having[at], pod)
			}
		}
		for _, h := range scalers {
			x.scaled[targetOf(h)] = h
		}
		return x
	})
}

// targetOf names what an autoscaler scales.
func targetOf(h *autoscalingv2.HorizontalPodAutoscaler) evidence.Ref {
	return evidence.RefTo(h.Spec.ScaleTargetRef.Kind, h.Namespace, h.Spec.ScaleTargetRef.Name)
}

// matching returns the pods of a namespace that a selector matches. Those of a workload stand for what it would make.
func (x *index) matching(namespace string, selector labels.Selector) []*corev1.Pod {
	from := x.in[namespace]
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		if values := r.Values().UnsortedList(); (r.Operator() == selection.Equals || r.Operator() == selection.In) && len(values) == 1 {
			from = x.having[namespace+"/"+r.Key()+"="+values[0]]
			break
		}
	}
	var list []*corev1.Pod
	for _, pod := range from {
		if selector.Matches(labels.Set(pod.Labels)) {
			list = append(list, pod)
		}
	}
	return list
}

// owner returns what has the template of a pod, the pod itself where nothing has.
func owner(pod *corev1.Pod) evidence.Ref {
	if c := metav1.GetControllerOfNoCopy(pod); c != nil {
		return evidence.RefTo(c.Kind, pod.Namespace, c.Name)
	}
	return evidence.RefOf(pod)
}

// cite makes a fact of a field of an object.
func cite(o evidence.Object, where, text string) evidence.Fact {
	return evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(o), Where: where, Text: text}
}

// finding says what is wrong with an object, by one of its fields.
func finding(o evidence.Object, where, fact, fix, format string, args ...any) diagnosis.Finding {
	return diagnosis.Finding{
		About: evidence.RefOf(o), Confidence: diagnosis.Possible, Message: fmt.Sprintf(format, args...),
		Facts: []evidence.Fact{cite(o, where, fact)}, Fixes: []diagnosis.Fix{{Title: fix}},
	}
}

// wanted returns how many replicas a workload of the set asks for; 0 where that is not known.
func wanted(p *diagnosis.Pass, ref evidence.Ref) int32 {
	var replicas *int32
	switch o := p.Object(ref).(type) {
	case *appsv1.Deployment:
		replicas = o.Spec.Replicas
	case *appsv1.StatefulSet:
		replicas = o.Spec.Replicas
	case *appsv1.ReplicaSet:
		replicas = o.Spec.Replicas
	default:
		return 0
	}
	if replicas == nil {
		return 1
	}
	return *replicas
}

// A mention is where a pod names a ConfigMap or a Secret, and the key in it that it needs, "" for all.
type mention struct{ kind, name, key, where string }

// mentions returns what a pod must find; what is optional is left out.
func mentions(pod *corev1.Pod) []mention {
	var list []mention
	add := func(kind, name, key, where string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			list = append(list, mention{kind, name, key, where})
		}
	}
	for i, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for j := range containers {
			variables(&containers[j], "spec."+[...]string{"initContainers", "containers"}[i]+"["+containers[j].Name+"].", add)
		}
	}
	for i := range pod.Spec.Volumes {
		volume(&pod.Spec.Volumes[i], add)
	}
	return list
}

func variables(c *corev1.Container, path string, add func(kind, name, key, where string, optional *bool)) {
	for k, from := range c.EnvFrom {
		at := fmt.Sprintf("%senvFrom[%d]", path, k)
		if r := from.ConfigMapRef; r != nil {
			add("ConfigMap", r.Name, "", at+".configMapRef.name", r.Optional)
		}
		if r := from.SecretRef; r != nil {
			add("Secret", r.Name, "", at+".secretRef.name", r.Optional)
		}
	}
	for _, v := range c.Env {
		at := path + "env[" + v.Name + "].valueFrom"
		if v.ValueFrom == nil {
			continue
		}
		if r := v.ValueFrom.ConfigMapKeyRef; r != nil {
			add("ConfigMap", r.Name, r.Key, at+".configMapKeyRef.name", r.Optional)
		}
		if r := v.ValueFrom.SecretKeyRef; r != nil {
			add("Secret", r.Name, r.Key, at+".secretKeyRef.name", r.Optional)
		}
	}
}

func volume(v *corev1.Volume, add func(kind, name, key, where string, optional *bool)) {
	at := "spec.volumes[" + v.Name + "]"
	if r := v.ConfigMap; r != nil {
		add("ConfigMap", r.Name, "", at+".configMap.name", r.Optional)
		for _, item := range r.Items {
			add("ConfigMap", r.Name, item.Key, at+".configMap.items", r.Optional)
		}
	}
	if r := v.Secret; r != nil {
		add("Secret", r.SecretName, "", at+".secret.secretName", r.Optional)
	}
}

// absent reports the things of a kind that pods name and that are not in the set, each once a workload. Where the set has nothing of
// that kind in the namespace they come from elsewhere, which is no fault.
func absent(p *diagnosis.Pass, kind string, has map[string]bool, report func(pod *corev1.Pod, m mention)) {
	some := map[string]bool{}
	for ref := range has {
		namespace, _, _ := strings.Cut(ref, "/")
		some[namespace] = true
	}
	for _, pod := range diagnosis.List[*corev1.Pod](p) {
		told := map[string]bool{}
		for _, m := range mentions(pod) {
			if m.kind != kind || told[m.name] || !some[pod.Namespace] || has[pod.Namespace+"/"+m.name] || m.name == "kube-root-ca.crt" {
				continue
			}
			told[m.name] = true
			report(pod, m)
		}
	}
}

// names returns the objects of a list as namespace/name.
func names[T evidence.Object](list []T) map[string]bool {
	has := map[string]bool{}
	for _, o := range list {
		has[o.GetNamespace()+"/"+o.GetName()] = true
	}
	return has
}
