// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// amountsOf are quantities by the names of resources.
func amountsOf(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for pair := range slices.Chunk(pairs, 2) {
		list[corev1.ResourceName(pair[0])] = apiresource.MustParse(pair[1])
	}
	return list
}

func rangeOf(item corev1.LimitRangeItem) Namespace {
	return Namespace{Ranges: []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "l"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}}}}
}

func quotaOf(hard, used corev1.ResourceList, scopes ...corev1.ResourceQuotaScope) Namespace {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "q"}}
	q.Spec.Hard, q.Spec.Scopes, q.Status.Used = hard, scopes, used
	return Namespace{Quotas: []*corev1.ResourceQuota{q}}
}

// TestRefusals: what LimitRanges and quotas would refuse of what is proposed, which is a request of 200Mi and 127m, a limit of 206Mi and none.
func TestRefusals(t *testing.T) {
	const limits, pod = corev1.LimitTypeContainer, corev1.LimitTypePod
	for name, c := range map[string]struct {
		within Namespace
		with   func(*Subject)
		where  string // "" for no refusal
		says   string
		do     string
		checks string // what is to be looked at all the same
	}{
		"nothing":                   {},
		"within all":                {within: rangeOf(corev1.LimitRangeItem{Type: limits, Min: amountsOf("memory", "200Mi"), Max: amountsOf("memory", "206Mi"), MaxLimitRequestRatio: amountsOf("memory", "2")})},
		"above max":                 {within: rangeOf(corev1.LimitRangeItem{Type: limits, Max: amountsOf("memory", "204Mi")}), where: "limitrange/l, max.memory", says: "a container must have a limit of memory, of 204Mi at most; with what is proposed it requests 200Mi and its limit is 206Mi", do: "raise max.memory to 206Mi first"},
		"no limit where one must":   {within: rangeOf(corev1.LimitRangeItem{Type: pod, Max: amountsOf("cpu", "1")}), where: "limitrange/l, max.cpu", says: "its limit is none", do: "set a limit of cpu"},
		"the most is a default":     {within: rangeOf(corev1.LimitRangeItem{Type: limits, Max: amountsOf("cpu", "1")})},
		"above that":                {within: rangeOf(corev1.LimitRangeItem{Type: limits, Max: amountsOf("cpu", "100m"), Default: amountsOf("cpu", "100m")}), where: "limitrange/l, max.cpu", says: "it requests 127m and its limit is 100m", do: "raise max.cpu to 127m first"},
		"below min":                 {within: rangeOf(corev1.LimitRangeItem{Type: limits, Min: amountsOf("memory", "256Mi")}), where: "limitrange/l, min.memory", says: "must request 256Mi of memory at least", do: "give it 256Mi at least, or lower min.memory"},
		"too far apart":             {within: rangeOf(corev1.LimitRangeItem{Type: limits, MaxLimitRequestRatio: amountsOf("memory", "1")}), where: "limitrange/l, maxLimitRequestRatio.memory", says: "1 times its request", do: "request 206Mi at least"},
		"above a default":           {within: rangeOf(corev1.LimitRangeItem{Type: limits, Default: amountsOf("cpu", "100m")}), where: "limitrange/l, default.cpu", says: "less than the request of 127m", do: "raise default.cpu to 127m first"},
		"a default that is enough":  {within: rangeOf(corev1.LimitRangeItem{Type: limits, Default: amountsOf("cpu", "500m"), Max: amountsOf("cpu", "1")})},
		"its pod":                   {within: rangeOf(corev1.LimitRangeItem{Type: pod, Max: amountsOf("memory", "250Mi")}), with: besides, where: "limitrange/l, max.memory", says: "a pod must have a limit of memory, of 250Mi at most; with what is proposed it requests 300Mi and its limit is 306Mi", do: "raise max.memory to 306Mi first"},
		"its pod, without overhead": {within: rangeOf(corev1.LimitRangeItem{Type: pod, Max: amountsOf("memory", "306Mi")}), with: func(o *Subject) { besides(o); o.Overhead = amountsOf("memory", "64Mi") }},
		"a quota with room":         {within: quotaOf(amountsOf("requests.memory", "1Gi"), amountsOf("requests.memory", "824Mi"))},
		"one without":               {within: quotaOf(amountsOf("requests.memory", "1000Mi"), amountsOf("requests.memory", "900Mi")), with: func(o *Subject) { o.Running = 2 }, where: "resourcequota/q, hard.requests.memory", says: "the namespace comes to 1100Mi of 1000Mi, 400Mi of it for this workload", do: "raise it to 1100Mi first"},
		"by its short name":         {within: quotaOf(amountsOf("cpu", "1"), amountsOf("cpu", "950m")), where: "resourcequota/q, hard.cpu", says: "1077m of 1", do: "raise it to 1077m first"},
		"of other pods":             {within: quotaOf(amountsOf("cpu", "1"), amountsOf("cpu", "950m"), corev1.ResourceQuotaScopeTerminating)},
		"of unknown use":            {within: quotaOf(amountsOf("cpu", "1"), nil), checks: "resourcequota/q, hard.cpu"},
		"a CronJob between runs":    {within: quotaOf(amountsOf("requests.memory", "1000Mi"), amountsOf("requests.memory", "700Mi")), with: func(o *Subject) { o.Running, o.Replicas = 0, 2 }, where: "resourcequota/q, hard.requests.memory", says: "the namespace comes to 1100Mi of 1000Mi, 400Mi of it for this workload", do: "raise it to 1100Mi first"},
		"no room for an update":     {within: quotaOf(amountsOf("requests.memory", "1200Mi"), amountsOf("requests.memory", "1000Mi")), with: func(o *Subject) { o.Surge, o.Overhead = 1, amountsOf("memory", "64Mi") }, where: "resourcequota/q, hard.requests.memory", says: "starts a pod before an old one ends, with 264Mi more", do: "raise it to 1264Mi for the update"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Subject{Container: container("100Mi", "110Mi", "", ""), Memory: flat(200 * mib), CPU: flat(0.1), Within: c.within, Running: 1}
			o.Pod.Containers = []corev1.Container{o.Spec}
			if c.with != nil {
				c.with(&o)
			}
			a := Advise(o)
			if c.checks != "" && !slices.ContainsFunc(a.Checks, func(k Check) bool { return k.Where == c.checks && strings.Contains(k.Says, "its room was not checked") }) {
				t.Errorf("it does not say to look at %s: %+v", c.checks, a.Checks)
			}
			if c.where == "" {
				if len(a.Refusals) > 0 {
					t.Errorf("refused: %+v", a.Refusals)
				}
				return
			}
			if len(a.Refusals) != 1 || a.Refusals[0].Where != c.where || !strings.Contains(a.Refusals[0].Says, c.says) || !strings.Contains(a.Refusals[0].Do, c.do) {
				t.Errorf("want %s: %s; %s, got %+v", c.where, c.says, c.do, a.Refusals)
			}
		})
	}
}

// besides gives the pod another container, with 100Mi.
func besides(o *Subject) {
	o.Pod.Containers = append(o.Pod.Containers, helper("log", "100Mi", "100Mi", "", false))
}

// TestInScope: which pods a quota counts, by its scopes.
func TestInScope(t *testing.T) {
	hour := int64(3600)
	limited, urgent, usual := corev1.PodSpec{ActiveDeadlineSeconds: &hour}, corev1.PodSpec{PriorityClassName: "urgent"}, corev1.PodSpec{}
	by := func(scope corev1.ResourceQuotaScope, operator corev1.ScopeSelectorOperator, values ...string) *corev1.ResourceQuota {
		q := &corev1.ResourceQuota{}
		q.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{ScopeName: scope, Operator: operator, Values: values}}}
		return q
	}
	const class = corev1.ResourceQuotaScopePriorityClass
	for name, c := range map[string]struct {
		quota *corev1.ResourceQuota
		want  [3]bool // of limited, urgent and usual
	}{
		"none":         {&corev1.ResourceQuota{}, [3]bool{true, true, true}},
		"terminating":  {by(corev1.ResourceQuotaScopeTerminating, corev1.ScopeSelectorOpExists), [3]bool{true, false, false}},
		"not":          {by(corev1.ResourceQuotaScopeNotTerminating, corev1.ScopeSelectorOpExists), [3]bool{false, true, true}},
		"best effort":  {by(corev1.ResourceQuotaScopeBestEffort, corev1.ScopeSelectorOpExists), [3]bool{}},
		"not that":     {by(corev1.ResourceQuotaScopeNotBestEffort, corev1.ScopeSelectorOpExists), [3]bool{true, true, true}},
		"a class":      {by(class, corev1.ScopeSelectorOpIn, "urgent"), [3]bool{false, true, false}},
		"another":      {by(class, corev1.ScopeSelectorOpNotIn, "urgent"), [3]bool{true, false, true}},
		"any class":    {by(class, corev1.ScopeSelectorOpExists), [3]bool{false, true, false}},
		"no class":     {by(class, corev1.ScopeSelectorOpDoesNotExist), [3]bool{true, false, true}},
		"other groups": {by(corev1.ResourceQuotaScopeCrossNamespacePodAffinity, corev1.ScopeSelectorOpExists), [3]bool{}},
	} {
		for i, pod := range []corev1.PodSpec{limited, urgent, usual} {
			if got := takes(c.quota, &pod); got != c.want[i] {
				t.Errorf("%s: pod %d is counted: %v", name, i, got)
			}
		}
	}
}

// TestSurge: how many pods an update starts before it may end one.
func TestSurge(t *testing.T) {
	share, none, two := intstr.FromString("25%"), intstr.FromInt32(0), intstr.FromInt32(2)
	for name, c := range map[string]struct {
		replicas int32
		strategy appsv1.DeploymentStrategy
		want     int
	}{
		"one pod":                   {1, appsv1.DeploymentStrategy{}, 1},
		"three":                     {3, appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &share, MaxUnavailable: &share}}, 1},
		"four, of which one may go": {4, appsv1.DeploymentStrategy{}, 0},
		"none may go":               {8, appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &two, MaxUnavailable: &none}}, 2},
		"all at once":               {1, appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}, 0},
	} {
		if got := surge(&appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &c.replicas, Strategy: c.strategy}}); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := surge(&appsv1.StatefulSet{}); got != 0 {
		t.Errorf("of a StatefulSet: %d", got)
	}
}

// TestOverhead: what a RuntimeClass has for each pod is in the sums of the namespace, and where it is not known, nothing is proposed.
func TestOverhead(t *testing.T) {
	one := Advice{About: web.InContainer("app"), Replicas: 2, Proposed: Amounts{100 * mib, 200 * mib, 0.1, 0}, Overhead: amountsOf("memory", "64Mi", "cpu", "50m")}
	_, quota, why := Bounds("shop", []Advice{one})
	hard := quota["spec"].(map[string]any)["hard"].(map[string]any)
	if hard["requests.memory"] != "410Mi" || hard["requests.cpu"] != "375m" || why != "" {
		t.Errorf("two pods need %v: %s", hard, why)
	}
	job := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly"}}
	name := "kata"
	job.Spec.JobTemplate.Spec.Template.Spec = corev1.PodSpec{RuntimeClassName: &name, Containers: []corev1.Container{container("100Mi", "200Mi", "", "100m").Spec}}
	class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "kata"}, Overhead: &nodev1.Overhead{PodFixed: amountsOf("memory", "64Mi")}}
	unread := (&evidence.Snapshot{Objects: []evidence.Object{job}}).Freeze()
	if _, quota, why := Bounds("shop", append(Waiting(unread, "shop", nil), one)); quota != nil || !strings.Contains(why, "cronjob/nightly runs by runtimeclass/kata, which is not known") {
		t.Errorf("of an unread class: %v, %q", quota, why)
	}
	read := (&evidence.Snapshot{Objects: []evidence.Object{job, class}}).Freeze()
	if list := Waiting(read, "shop", nil); len(list) != 1 || number(list[0].Overhead, "memory") != 64*mib || list[0].Unread != "" {
		t.Errorf("it waits: %+v", list)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "one"}, Spec: corev1.PodSpec{Containers: job.Spec.JobTemplate.Spec.Template.Spec.Containers, Overhead: amountsOf("memory", "64Mi")}}
	limits := rangeOf(corev1.LimitRangeItem{}).Ranges[0]
	gap := evidence.Gap{Kind: evidence.Changes, About: evidence.RefTo("Namespace", "", "shop"), Why: "forbidden: cannot list resourcequotas"}
	s := (&evidence.Snapshot{Has: evidence.Spec, Objects: []evidence.Object{pod, limits}, Gaps: []evidence.Gap{gap}}).Freeze()
	if list := Read(s); len(list) != 1 || number(list[0].Overhead, "memory") != 64*mib || !strings.Contains(list[0].Within.against(), "checked against limitrange/l; not all that bounds its namespace could be read: forbidden") {
		t.Errorf("read %+v", list)
	}
}

// TestNamespaceOf: what bounds a namespace is its own, and only what of that was not read is said.
func TestNamespaceOf(t *testing.T) {
	own, foreign := rangeOf(corev1.LimitRangeItem{}).Ranges[0], rangeOf(corev1.LimitRangeItem{}).Ranges[0]
	foreign.Namespace, foreign.Name = "other", "f"
	shop, other := evidence.RefTo("Namespace", "", "shop"), evidence.RefTo("Namespace", "", "other")
	s := (&evidence.Snapshot{Objects: []evidence.Object{own, foreign}, Gaps: []evidence.Gap{
		{Kind: evidence.Changes, About: shop, Why: "forbidden: cannot list cronjobs in namespace shop"},
		{Kind: evidence.Changes, About: other, Why: "forbidden: cannot list limitranges in namespace other"},
		{Kind: evidence.Changes, About: evidence.Cluster, Why: "cannot list resourcequotas: time-out after 2s"},
	}}).Freeze()
	n := namespaceOf(s, "shop")
	if got, want := n.against(), "what is proposed was checked against limitrange/l; not all that bounds its namespace could be read: cannot list resourcequotas: time-out after 2s"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	n = namespaceOf((&evidence.Snapshot{}).Freeze(), "shop")
	if got := n.against(); !strings.HasPrefix(got, "no LimitRange and no ResourceQuota of its namespace is known") {
		t.Errorf("of nothing it says %q", got)
	}
}

// TestRunning: a quota counts the pods that a workload wants, of which not all may have been read, and none of a CronJob that has ended.
func TestRunning(t *testing.T) {
	yes, many, three := true, int32(30), int32(3)
	pod := func(owner evidence.Object, kind string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: owner.GetName() + "-0"}, Spec: corev1.PodSpec{Containers: []corev1.Container{container("1Mi", "1Mi", "", "").Spec}}}
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: owner.GetName(), Controller: &yes}}
		return p
	}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Spec: appsv1.StatefulSetSpec{Replicas: &many}}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly-1", OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", Controller: &yes}}}}
	cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly"}}
	cron.Spec.JobTemplate.Spec.Parallelism = &three
	ended := pod(job, "Job")
	ended.OwnerReferences[0].APIVersion, ended.Status.Phase = "batch/v1", corev1.PodSucceeded
	list := Read((&evidence.Snapshot{Objects: []evidence.Object{set, pod(set, "StatefulSet"), cron, job, ended}}).Freeze())
	if len(list) != 2 || list[0].Running != 0 || list[0].Replicas != 3 || list[1].Running != 30 || list[1].Replicas != 1 {
		t.Errorf("read %+v", list)
	}
}
