// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Namespace is what is known of one that bounds what its pods may have.
type Namespace struct {
	Ranges []*corev1.LimitRange
	Quotas []*corev1.ResourceQuota
	Unread string // why not all of it is known; "" where nothing tells so
}

func namespaceOf(s *evidence.Snapshot, name string) (n Namespace) {
	in := evidence.RefTo("Namespace", "", name)
	n.Ranges, n.Quotas = evidence.List[*corev1.LimitRange](s, in), evidence.List[*corev1.ResourceQuota](s, in)
	var unread []string
	for i := range s.Gaps {
		if g := &s.Gaps[i]; (g.About == in || g.About == evidence.Cluster) && (strings.Contains(g.Why, "limitranges") || strings.Contains(g.Why, "resourcequotas")) {
			unread = append(unread, g.Why)
		}
	}
	n.Unread = strings.Join(unread, ", ")
	return n
}

// against says what of the namespace a proposal was checked against.
func (n *Namespace) against() string {
	var names []string
	for _, r := range n.Ranges {
		names = append(names, "limitrange/"+r.Name)
	}
	for _, q := range n.Quotas {
		names = append(names, "resourcequota/"+q.Name)
	}
	text := "no LimitRange and no ResourceQuota of its namespace is known: what is proposed was checked against none"
	if len(names) > 0 {
		text = "what is proposed was checked against " + strings.Join(names, ", ")
	}
	if n.Unread != "" {
		text += "; not all that bounds its namespace could be read: " + n.Unread
	}
	return text
}

// both are the resources that are proposed.
var both = []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceCPU}

// of returns the request and the limit of a resource.
func (a *Amounts) of(name corev1.ResourceName) (request, limit *float64) {
	if name == corev1.ResourceMemory {
		return &a.RequestMemory, &a.LimitMemory
	}
	return &a.RequestCPU, &a.LimitCPU
}

// inUnits writes an amount of a resource.
func inUnits(name corev1.ResourceName, n float64) string {
	if name == corev1.ResourceMemory {
		return Bytes(n)
	}
	return Cores(n)
}

func number(list corev1.ResourceList, name corev1.ResourceName) float64 {
	q := list[name]
	return q.AsApproximateFloat64()
}

// above tells whether an amount is more than another, by more than numbers are imprecise.
func above(a, b float64) bool { return a > b+1e-6*math.Max(math.Abs(b), 1e-3) }

// given are amounts as the API server fills them in: a request by the limit, and what is open by the LimitRanges (kubernetes
// pkg/apis/core/v1/defaults.go, plugin/pkg/admission/limitranger).
func (n *Namespace) given(a Amounts) Amounts {
	a = filled(a)
	for _, r := range n.Ranges {
		for i := range r.Spec.Limits {
			item := &r.Spec.Limits[i]
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, name := range both {
				request, limit := a.of(name)
				usually, most := defaults(item, name)
				*request, *limit = cmp.Or(*request, usually), cmp.Or(*limit, most)
			}
		}
	}
	return a
}

// defaults are the request and the limit that a LimitRange gives a container which sets none, as the API server completes its item
// (kubernetes pkg/apis/core/v1/defaults.go, SetDefaults_LimitRangeItem).
func defaults(item *corev1.LimitRangeItem, name corev1.ResourceName) (request, limit float64) {
	limit = cmp.Or(number(item.Default, name), number(item.Max, name))
	return cmp.Or(number(item.DefaultRequest, name), limit, number(item.Min, name)), limit
}

// pod adds up what a pod has with the container as given, as admission does: without the overhead of its RuntimeClass.
func (o *Subject) pod(own Amounts) (sum Amounts) {
	of := func(c *corev1.Container) Amounts {
		if c.Name == o.Spec.Name {
			return o.Within.given(own)
		}
		return o.Within.given(amounts(c))
	}
	for _, name := range both {
		request, limit := sum.of(name)
		ask := func(c *corev1.Container) float64 { a := of(c); n, _ := a.of(name); return *n }
		may := func(c *corev1.Container) float64 { a := of(c); _, n := a.of(name); return *n }
		for i := range o.Pod.Containers {
			*request, *limit = *request+ask(&o.Pod.Containers[i]), *limit+may(&o.Pod.Containers[i])
		}
		*request, *limit = beside(*request, o.Pod.InitContainers, ask), beside(*limit, o.Pod.InitContainers, may)
	}
	return sum
}

// refusals says what of its namespace would refuse pods with what is proposed, and what to do.
func (a *Advice) refusals(o *Subject) (list []Check) {
	then := o.Within.given(a.Proposed)
	for _, r := range o.Within.Ranges {
		for i := range r.Spec.Limits {
			item := &r.Spec.Limits[i]
			switch item.Type {
			case corev1.LimitTypeContainer:
				list = append(list, outside(r, item, then)...)
				list = append(list, a.aboveDefault(r, item)...)
			case corev1.LimitTypePod:
				if o.Pod.Resources == nil { // else the pod as a whole has bounds of its own, which stay
					list = append(list, outside(r, item, o.pod(a.Proposed))...)
				}
			}
		}
	}
	if o.Pod.Resources != nil {
		return list
	}
	for _, q := range o.Within.Quotas {
		if takes(q, &o.Pod) {
			list = append(list, a.beyond(o, q)...)
		}
	}
	return list
}

// outside says which bounds of a LimitRange are not kept, by its item for containers or for pods.
func outside(r *corev1.LimitRange, item *corev1.LimitRangeItem, of Amounts) (list []Check) {
	who := strings.ToLower(string(item.Type))
	for _, name := range both {
		q, l := of.of(name)
		request, limit := *q, *l
		not := func(field, bound, do string) {
			list = append(list, Check{
				fmt.Sprintf("limitrange/%s, %s.%s", r.Name, field, name),
				fmt.Sprintf("a %s %s; with what is proposed it requests %s and its limit is %s: the API server would refuse the pods", who, bound, shown(name, request), shown(name, limit)), do,
			})
		}
		least, has := item.Min[name]
		if n := least.AsApproximateFloat64(); has && (above(n, request) || limit > 0 && above(n, limit)) {
			not("min", fmt.Sprintf("must request %s of %s at least, and may have no lower limit", least.String(), name), fmt.Sprintf("give it %s at least, or lower min.%s", inUnits(name, n), name))
		}
		most, has := item.Max[name]
		if n := most.AsApproximateFloat64(); has && (limit == 0 || above(limit, n) || above(request, n)) {
			do := "set a limit of " + string(name)
			if limit > 0 {
				do = fmt.Sprintf("raise max.%s to %s first, or keep below it", name, inUnits(name, math.Max(limit, request)))
			}
			not("max", fmt.Sprintf("must have a limit of %s, of %s at most", name, most.String()), do)
		}
		ratio, has := item.MaxLimitRequestRatio[name]
		if n := ratio.AsApproximateFloat64(); has && (request == 0 || limit == 0 || above(limit/request, n)) {
			do := "set a request and a limit of " + string(name)
			if limit > 0 {
				do = fmt.Sprintf("request %s at least, or raise maxLimitRequestRatio.%s", inUnits(name, limit/math.Max(n, 1)), name)
			}
			not("maxLimitRequestRatio", fmt.Sprintf("may have a limit of %s times its request of %s at most", ratio.String(), name), do)
		}
	}
	return list
}

func shown(name corev1.ResourceName, n float64) string {
	if n == 0 {
		return "none"
	}
	return inUnits(name, n)
}

// aboveDefault says that a LimitRange gives the container a limit below the request that is proposed, which makes its pods invalid. A request
// above the most that one may have is said already.
func (a *Advice) aboveDefault(r *corev1.LimitRange, item *corev1.LimitRangeItem) (list []Check) {
	for _, name := range both {
		request, limit := a.Proposed.of(name)
		if most := number(item.Max, name); most > 0 && above(*request, most) {
			continue
		}
		if n := number(item.Default, name); *limit == 0 && n > 0 && above(*request, n) {
			list = append(list, Check{
				fmt.Sprintf("limitrange/%s, default.%s", r.Name, name),
				fmt.Sprintf("it gives a container that sets none a limit of %s of %s, which is less than the request of %s that is proposed: the API server would refuse the pods", inUnits(name, n), name, inUnits(name, *request)),
				fmt.Sprintf("raise default.%s to %s first, or set a limit of that", name, inUnits(name, *request)),
			})
		}
	}
	return list
}

// counted are the amounts that a quota counts, by its names for them, of a pod.
func (o *Subject) counted(own Amounts) map[corev1.ResourceName]float64 {
	sum, list := o.pod(own), map[corev1.ResourceName]float64{}
	for _, name := range both {
		request, limit := sum.of(name)
		over := number(o.Overhead, name)
		list["requests."+name], list[name], list["limits."+name] = *request+over, *request+over, *limit
		if *limit > 0 {
			list["limits."+name] += over
		}
	}
	return list
}

// beyond says for what of it a quota has no room: when all pods are as proposed, or for those that an update starts before others end. Where
// nobody knows what is used of it, that is one of the checks and no refusal.
func (a *Advice) beyond(o *Subject, q *corev1.ResourceQuota) (list []Check) {
	now, then, runs, n := o.counted(a.Now), o.counted(a.Proposed), float64(o.Running), float64(cmp.Or(o.Running, max(o.Replicas, 1)))
	for _, name := range []corev1.ResourceName{"requests.memory", "memory", "limits.memory", "requests.cpu", "cpu", "limits.cpu"} {
		most, bounds := q.Spec.Hard[name]
		has, known := q.Status.Used[name]
		if !bounds {
			continue
		}
		hard, used, unit := most.AsApproximateFloat64(), has.AsApproximateFloat64(), both[0]
		if strings.HasSuffix(string(name), "cpu") {
			unit = both[1]
		}
		where := fmt.Sprintf("resourcequota/%s, hard.%s", q.Name, name)
		all, first := used-runs*now[name]+n*then[name], used+float64(o.Surge)*then[name]
		switch {
		case !known:
			a.Checks = append(a.Checks, Check{where, "what is used of it is not known, so its room was not checked", "look at it with kubectl describe resourcequota"})
		case above(all, hard) && above(then[name], now[name]):
			list = append(list, Check{
				where, fmt.Sprintf("with what is proposed the namespace comes to %s of %s, %s of it for this workload: the API server would refuse the last pods", inUnits(unit, all), most.String(), inUnits(unit, n*then[name])),
				"raise it to " + inUnits(unit, all) + " first, or free room",
			})
		case o.Surge > 0 && above(first, hard):
			list = append(list, Check{
				where, fmt.Sprintf("an update starts %s before an old one ends, with %s more, and %s of %s is used: it would wait for ever", pods(o.Surge), inUnits(unit, float64(o.Surge)*then[name]), inUnits(unit, used), most.String()),
				"raise it to " + inUnits(unit, first) + " for the update, or let it take a pod away first (maxUnavailable)",
			})
		}
	}
	return list
}

func pods(n int) string {
	if n == 1 {
		return "a pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// takes tells whether a quota counts a pod that requests something, by its scopes (kubernetes pkg/quota/v1/evaluator/core/pods.go).
func takes(q *corev1.ResourceQuota, pod *corev1.PodSpec) bool {
	var all []corev1.ScopedResourceSelectorRequirement
	for _, scope := range q.Spec.Scopes {
		all = append(all, corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists})
	}
	if q.Spec.ScopeSelector != nil {
		all = append(all, q.Spec.ScopeSelector.MatchExpressions...)
	}
	return !slices.ContainsFunc(all, func(r corev1.ScopedResourceSelectorRequirement) bool { return !inScope(&r, pod) })
}

func inScope(r *corev1.ScopedResourceSelectorRequirement, pod *corev1.PodSpec) bool {
	switch r.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return pod.ActiveDeadlineSeconds != nil
	case corev1.ResourceQuotaScopeNotTerminating:
		return pod.ActiveDeadlineSeconds == nil
	case corev1.ResourceQuotaScopeNotBestEffort:
		return true
	case corev1.ResourceQuotaScopePriorityClass:
		has := pod.PriorityClassName
		switch r.Operator {
		case corev1.ScopeSelectorOpIn:
			return slices.Contains(r.Values, has)
		case corev1.ScopeSelectorOpNotIn:
			return !slices.Contains(r.Values, has)
		case corev1.ScopeSelectorOpDoesNotExist:
			return has == ""
		}
		return has != ""
	}
	return false // those of BestEffort, and of what is no matter of amounts
}
