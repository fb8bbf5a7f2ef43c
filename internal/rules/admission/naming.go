// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// forbidden is how the API server begins when it refuses: with the resource and the name, which a controller leaves to the
// API server and which then ends in a dash.
var forbidden = regex.New(`(?s)^(?:.*?[:\s])?([a-z][a-z.0-9]*|[A-Z][A-Za-z]*) "([^"]*)" is (forbidden|invalid): (.*)$`)

// prefixes are how controllers begin (kubernetes pkg/controller/controller_utils.go, statefulset/stateful_pod_control.go,
// cronjob/cronjob_controllerv2.go, deployment/sync.go).
var prefixes = regex.New(`(?s)^(?:Error creating(?: job)?: |[Cc]reate (?:Pod|Claim) .*? failed error: |Failed to create new replica set "[^"]*": )`)

// combined is how a recorder begins when Events of one reason differ in their words (client-go tools/record).
const combined = "(combined from similar events): "

// named works out what cannot be created and who wants it.
func (r refusal) named(p *diagnosis.Pass) refusal {
	r.about = p.About()
	if owners := p.Owners(); len(owners) > 0 && p.About().Kind == "ReplicaSet" {
		r.about = owners[len(owners)-1]
	}
	things := map[string]string{"Deployment": "pod", "CronJob": "Job"}[p.About().Kind]
	r.said = prefixes.ReplaceAllString(strings.TrimPrefix(strings.TrimSpace(r.said), combined), "")
	if m := forbidden.FindStringSubmatch(r.said); m != nil {
		things = map[string]string{"persistentvolumeclaims": "claim", "replicasets.apps": "ReplicaSet", "jobs.batch": "Job"}[strings.ToLower(m[1])]
		if m[3] == "forbidden" {
			r.said = m[4]
		}
	}
	if things == "" {
		things = "pod"
	}
	if things != "pod" {
		r.wants = 1
	}
	who := strings.ToLower(r.about.Kind) + " " + r.about.Name
	switch {
	case things != "pod":
		r.what = "the " + things + " of " + who
	case r.wants == 0:
		r.what = "pods of " + who
	case r.wants == 1:
		r.what = "1 pod of " + who
	default:
		r.what = fmt.Sprintf("%d pods of %s", r.wants, who)
	}
	return r
}

// cannot begins the sentence about the refusal.
func (r refusal) cannot() string { return r.what + " cannot be created: " }

func (r refusal) report(p *diagnosis.Pass, message string, facts []evidence.Fact, fixes ...diagnosis.Fix) {
	p.Report(diagnosis.Finding{
		About: r.about, Confidence: r.sure, Message: r.cannot() + message, Facts: slices.Concat(r.facts, facts), Fixes: fixes,
	})
}

// change is the fix that changes what the pods are made from. That of a Job, and a pod itself, cannot be changed.
func change(p *diagnosis.Pass, title string) diagnosis.Fix {
	workload, _ := p.Workload()
	if slices.Contains([]string{"Job", "Pod"}, workload.Kind) {
		return diagnosis.Fix{
			Title: fmt.Sprintf("%s; the %s has to be made anew for that", title, workload.Kind), Command: fmt.Sprintf("kubectl get -n %s %s -o yaml", workload.Namespace, workload),
		}
	}
	return diagnosis.Fix{Title: title, Command: fmt.Sprintf("kubectl edit -n %s %s", workload.Namespace, workload)}
}

func condition(p *diagnosis.Pass, kind, status, reason, message string, at metav1.Time) evidence.Fact {
	text := "status " + status
	if reason != "" {
		text += ", reason " + reason
	}
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: at.UTC(), Where: "status.conditions[" + kind + "]", Text: text + ", message " + message,
	}
}
