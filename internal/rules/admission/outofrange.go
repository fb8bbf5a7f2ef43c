// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// OutOfRange recognises pods that a LimitRange refuses, or whose own requests are above a limit that it fills in.
var OutOfRange = &diagnosis.Rule{
	ID:    "ADM003",
	Title: "The pods are outside of the namespace's LimitRange",
	Doc: `
A LimitRange says how much a container or pod of the namespace may ask for at least and at most, and how far limit and request
may be apart. It also fills in limits that a container leaves open: a request above such a default makes the pod invalid.

**How it is told from its look-alikes.** The refusal says "minimum" or "maximum … usage per Container" (or Pod), or "max limit
to request ratio"; or the pod is invalid because its request "must be less than or equal to … limit" while the template states
no limit, so that one was filled in. A template that states both wrongly is refused when it is applied. A quota is about
all pods together (ADM001).

**What to do.** Bring the container's requests and limits into the range, or change the LimitRange.

The words are written in kubernetes plugin/pkg/admission/limitranger/admission.go and pkg/apis/core/validation; recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != outOfRange {
			return
		}
		look := diagnosis.Fix{Title: "Bring requests and limits into the range, or change the LimitRange", Command: "kubectl describe limitrange -n " + p.About().Namespace}
		if c, res, value, ok := aboveDefault(p, r.said); ok {
			r.aboveDefault(p, c, res, value, look)
			return
		}
		var says []string
		for _, said := range slices.Concat(bound.FindAllString(r.said, -1), ratio.FindAllString(r.said, -1)) {
			says = append(says, inWords(said))
		}
		fixes := []diagnosis.Fix{look}
		if fix, ok := lowered(p, r.said); ok {
			fixes = []diagnosis.Fix{fix, look}
		}
		r.report(p, "the LimitRange of namespace "+p.About().Namespace+" "+strings.Join(says, "; it "), ranges(p, says), fixes...)
	},
}

var (
	bound = regex.New(`(minimum|maximum) (\S+) usage per (\w+) is ([^,\s\]]+?)(?:, but (request|limit) is ([^,\s\]]+)|\. +No (request|limit) is specified)`)
	ratio = regex.New(`(\S+) max limit to request ratio per (\w+) is ([^,\s]+), but (?:provided ratio is ([\d.]+)|no (request|limit) is specified)`)
	above = regex.New(`spec\.(initContainers|containers)\[(\d+)\]\.resources\.requests: Invalid value: "([^"]+)": must be less than or equal to (\S+) limit`)
)

// inWords says what one sentence of the LimitRange means.
func inWords(said string) string {
	if m := bound.FindStringSubmatch(said); m != nil {
		least := map[string]string{"minimum": "at least", "maximum": "at most"}[m[1]]
		has := fmt.Sprintf("and the %s is %s", m[5], m[6])
		if m[7] != "" {
			has = fmt.Sprintf("and no %s is stated", m[7])
		}
		return fmt.Sprintf("allows a %s %s %s of %s, %s", strings.ToLower(m[3]), least, m[4], m[2], has)
	}
	m := ratio.FindStringSubmatch(said)
	has := "and one of them is not stated"
	if m[4] != "" {
		has = "and it is " + strings.TrimSuffix(strings.TrimRight(m[4], "0"), ".") + " times"
	}
	return fmt.Sprintf("allows a %s a limit of %s of at most %s times its request, %s", strings.ToLower(m[2]), strings.TrimPrefix(m[1], "["), m[3], has)
}

// ranges cites the bounds of the LimitRanges that are known, those that the words name.
func ranges(p *diagnosis.Pass, says []string) []evidence.Fact {
	var facts []evidence.Fact
	for _, l := range diagnosis.List[*corev1.LimitRange](p, evidence.RefTo("Namespace", "", p.About().Namespace)) {
		for i := range l.Spec.Limits {
			facts = append(facts, bounds(l, i, says)...)
		}
	}
	slices.SortFunc(facts, func(a, b evidence.Fact) int { return strings.Compare(a.About.Name+a.Where, b.About.Name+b.Where) })
	return facts
}

// bounds cites those of one item of a LimitRange.
func bounds(l *corev1.LimitRange, i int, says []string) []evidence.Fact {
	var facts []evidence.Fact
	item := l.Spec.Limits[i]
	for field, list := range map[string]corev1.ResourceList{"min": item.Min, "max": item.Max, "maxLimitRequestRatio": item.MaxLimitRequestRatio} {
		for res, q := range list {
			named := slices.ContainsFunc(says, func(s string) bool {
				return strings.Contains(s, " "+strings.ToLower(string(item.Type))+" ") && strings.Contains(s, q.String()) && strings.Contains(s, string(res))
			})
			if named {
				facts = append(facts, rangeFact(l, fmt.Sprintf("spec.limits[%d].%s.%s", i, field, res), string(res), q))
			}
		}
	}
	return facts
}

func rangeFact(l *corev1.LimitRange, where, res string, q resource.Quantity) evidence.Fact {
	return evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(l), Where: where, Text: res + " " + q.String()}
}
