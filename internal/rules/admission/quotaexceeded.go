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

// QuotaExceeded recognises pods that a ResourceQuota has no room for.
var QuotaExceeded = &diagnosis.Rule{
	ID:    "ADM001",
	Title: "The namespace's quota has no room for the pods",
	Doc: `
A ResourceQuota bounds what all pods of a namespace may request together, or how many objects there may be. The pods that the
workload still wants would go beyond, so the API server refuses them: there is no pod, and the controller tries again and again.

**How it is told from its look-alikes.** The condition ReplicaFailure of the ReplicaSet, or the Event FailedCreate of the
controller, says "exceeded quota" with what is asked for, used and allowed. "must specify" is another matter: the pod says
nothing about a resource that the quota counts (ADM002). A LimitRange bounds a single pod or container (ADM003). A cluster
without room takes the pod and leaves it Pending (SCH001). Where the pods are there by now, the Events are old.

**What to do.** Where one pod asks for more than the quota allows in all, it can never be created: lower the request or raise
the quota. Otherwise raise the quota, or free room: scale something down, delete pods that are done.

The words are written in kubernetes apiserver pkg/admission/plugin/resourcequota/controller.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != quota {
			return
		}
		namespace := p.About().Namespace
		look := diagnosis.Fix{Title: "Look at the quota and at what uses it", Command: "kubectl describe resourcequota -n " + namespace}
		if m := scoped.FindStringSubmatch(r.said); m != nil {
			r.report(p, fmt.Sprintf("pods of the scope %s need a quota for it in namespace %s, and there is none", strings.Join(strings.Fields(m[1]), " "), namespace), nil, look)
			return
		}
		m := exceeded.FindStringSubmatch(r.said)
		asked, used, hard := amounts(m[2]), amounts(m[3]), amounts(m[4])
		var says, raise []string
		for _, name := range names(hard) {
			says = append(says, says1(name, asked[name], used[name], hard[name]))
			raise = append(raise, fmt.Sprintf("%q:%q", name, enough(asked[name], used[name], hard[name], r.wants)))
		}
		r.report(p, fmt.Sprintf("quota %s has no room: %s", m[1], strings.Join(says, ", and ")), limitsNow(p, m[1], names(hard)), raised(p, m[1], strings.Join(raise, ",")), diagnosis.Fix{Title: "Or free room in the namespace, or lower what the pods request", Command: look.Command})
	},
}

var (
	exceeded = regex.New(`exceeded quota: ([^,\s]+), requested: (\S+), used: (\S+), limited: (\S+)`)
	scoped   = regex.New(`(?s)insufficient quota to (?:match these scopes|consume): (.*)`)
)

// raised is the fix that gives a quota more; only where it is known can it be patched.
func raised(p *diagnosis.Pass, name, hard string) diagnosis.Fix {
	namespace := p.About().Namespace
	fix := diagnosis.Fix{Title: "Raise the quota so far that the pods fit"}
	if quota, ok := diagnosis.Get[*corev1.ResourceQuota](p, namespace, name); ok {
		fix.Patch = &diagnosis.Patch{Target: evidence.RefOf(quota), Type: diagnosis.Strategic, Data: `{"spec":{"hard":{` + hard + `}}}`}
		return fix
	}
	fix.Command = fmt.Sprintf(`kubectl patch resourcequota -n %s %s --type=merge -p '{"spec":{"hard":{%s}}}'`, namespace, name, hard)
	return fix
}

// amounts reads "limits.cpu=2,pods=1".
func amounts(list string) map[string]resource.Quantity {
	m := map[string]resource.Quantity{}
	for part := range strings.SplitSeq(strings.Trim(list, ","), ",") {
		name, value, _ := strings.Cut(part, "=")
		m[name], _ = resource.ParseQuantity(value)
	}
	return m
}

func names(m map[string]resource.Quantity) []string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// says1 tells of one resource.
func says1(name string, asked, used, hard resource.Quantity) string {
	if asked.Cmp(hard) > 0 {
		return fmt.Sprintf("it allows %s of %s in all, and each asks for %s", hard.String(), name, asked.String())
	}
	return fmt.Sprintf("%s of %s of %s is used, and each asks for %s", used.String(), hard.String(), name, asked.String())
}

// enough returns the least limit with which all that is wanted fits; at least one pod.
func enough(asked, used, hard resource.Quantity, pods int32) string {
	need := used.DeepCopy()
	for range max(pods, 1) {
		need.Add(asked)
	}
	need.Format = hard.Format
	return need.String()
}

// limitsNow cites the quota as it is now, where it is known.
func limitsNow(p *diagnosis.Pass, name string, resources []string) []evidence.Fact {
	quota, ok := diagnosis.Get[*corev1.ResourceQuota](p, p.About().Namespace, name)
	if !ok {
		return nil
	}
	var facts []evidence.Fact
	for _, res := range resources {
		hard, used := quota.Status.Hard[corev1.ResourceName(res)], quota.Status.Used[corev1.ResourceName(res)]
		f := evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(quota)}
		f.Where, f.Text = "status.used."+res, res+" "+used.String()
		facts = append(facts, f)
		f.Where, f.Text = "status.hard."+res, res+" "+hard.String()
		facts = append(facts, f)
	}
	return facts
}
