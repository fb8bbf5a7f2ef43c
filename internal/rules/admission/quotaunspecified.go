// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// QuotaUnspecified recognises pods that a ResourceQuota refuses because they leave open what it counts.
var QuotaUnspecified = &diagnosis.Rule{
	ID:    "ADM002",
	Title: "The namespace's quota wants requests or limits that the pods leave open",
	Doc: `
Where a ResourceQuota counts the requests or limits of a resource, every container of every new pod has to state them. One
that does not is refused, whatever room the quota has.

**How it is told from its look-alikes.** The refusal says "failed quota" and "must specify". "exceeded quota" is want of room
(ADM001). A LimitRange with a minimum says "No request is specified" (ADM003); one with a default would fill in what is
missing here, which is why the same manifest works in another namespace.

**What to do.** State the requests and limits in the template, or give the namespace a LimitRange with defaults.

The words are written in kubernetes pkg/quota/v1/evaluator/core/pods.go and apiserver
pkg/admission/plugin/resourcequota/controller.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != unspecified {
			return
		}
		m := mustSpecify.FindStringSubmatch(r.said)
		missing := resourcesIn(m[2])
		fixes := []diagnosis.Fix{}
		who := []string{}
		for _, c := range silent(p, missing) {
			fixes = append(fixes, state(p, c, missing))
			who = append(who, c.Name)
		}
		does := "the pod does not state " + map[bool]string{true: "it", false: "all of them"}[len(missing) == 1]
		if len(who) > 0 {
			does = "container " + strings.Join(who, " and ") + strings.TrimPrefix(does, "the pod")
		}
		fixes = append(fixes, diagnosis.Fix{
			Title: "Or give the namespace a LimitRange with defaults", Command: "kubectl get limitrange,resourcequota -n " + p.About().Namespace + " -o yaml",
		})
		r.report(p, fmt.Sprintf("quota %s counts %s, and %s", m[1], strings.Join(missing, " and "), does),
			nil, fixes...)
	},
}

// mustSpecify: since 1.24 each resource is followed by the containers that leave it open, and resources are parted by a
// semicolon; before, they were parted by commas.
var (
	mustSpecify = regex.New(`(?s)failed quota: ([^:]+): must specify (.+)`)
	container   = regex.New(` for: [^;]+`)
)

func resourcesIn(list string) []string {
	list = container.ReplaceAllString(strings.TrimSpace(list), "")
	return slices.DeleteFunc(strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }), func(s string) bool { return s == "" })
}

// silent returns the containers of the template that leave one of the resources open.
func silent(p *diagnosis.Pass, missing []string) []corev1.Container {
	t := template(p.Object(p.About()))
	return slices.DeleteFunc(slices.Concat(t.Spec.InitContainers, t.Spec.Containers), func(c corev1.Container) bool {
		return len(open(c, missing)) == 0
	})
}

// open returns which of the resources, as a quota names them, a container leaves open.
func open(c corev1.Container, missing []string) []string {
	return slices.DeleteFunc(slices.Clone(missing), func(name string) bool {
		kind, res := counted(name)
		_, limited := c.Resources.Limits[corev1.ResourceName(res)]
		_, asked := c.Resources.Requests[corev1.ResourceName(res)]
		return limited || kind == "requests" && asked
	})
}

// state is the fix for one container: how much it needs only a person can say.
func state(p *diagnosis.Pass, c corev1.Container, missing []string) diagnosis.Fix {
	args := map[string][]string{}
	var least []string
	for _, name := range open(c, missing) {
		kind, res := counted(name)
		args[kind] = append(args[kind], res+"=AMOUNT")
		if q, ok := c.Resources.Requests[corev1.ResourceName(res)]; ok {
			least = append(least, fmt.Sprintf("not below its request of %s", q.String()))
		}
	}
	var flags []string
	for _, kind := range []string{"requests", "limits"} {
		if len(args[kind]) > 0 {
			flags = append(flags, "--"+kind+"="+strings.Join(args[kind], ","))
		}
	}
	fix := change(p, strings.Join(append([]string{fmt.Sprintf("State %s of container %s", strings.Join(open(c, missing), " and "), c.Name)}, least...), ", "))
	if workload, template := p.Workload(); template != nil {
		fix.Risk, fix.Command = diagnosis.Restart, fmt.Sprintf("kubectl set resources -n %s %s -c %s %s", workload.Namespace, workload, c.Name, strings.Join(flags, " "))
	}
	return fix
}

// counted takes apart what a quota counts: without a prefix it is requests.
func counted(name string) (kind, res string) {
	if kind, res, prefixed := strings.Cut(name, "."); prefixed {
		return kind, res
	}
	return "requests", name
}
