// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// InsecurePod recognises pods that are less secure than their namespace demands.
var InsecurePod = &diagnosis.Rule{
	ID:    "ADM004",
	Title: "The pods are less secure than the namespace demands",
	Doc: `
A namespace can demand a Pod Security level (baseline or restricted), and a cluster may have policies of an older kind (Pod
Security Policies before 1.25) or of OpenShift (security context constraints). Pods that ask for more rights than that are refused.

**How it is told from its look-alikes.** The refusal says "violates PodSecurity" with the level and each field, or "unable to
validate against any pod security policy" (or "security context constraint"). A label that only warns or audits does not
refuse. A policy engine with a webhook of its own says "denied the request" (ADM009). A container that starts and is refused
by its node for runAsNonRoot is another matter: that pod exists.

**What to do.** Set the fields of the securityContext that the message names; if the pods need those rights, lower the level
of the namespace, or run them in another one.

The words are written in kubernetes pod-security-admission; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != insecure {
			return
		}
		namespace := p.About().Namespace
		m := violates.FindStringSubmatch(r.said)
		if m == nil {
			kind := noProvider.FindStringSubmatch(r.said)[1]
			r.report(p, fmt.Sprintf("no %s that they may use allows what they ask for: %s", kind, strings.TrimSpace(noProvider.FindStringSubmatch(r.said)[2])), nil, diagnosis.Fix{
				Title:   "Ask for fewer rights in securityContext, or let the service account of the pods use a " + kind + " that allows them",
				Command: "kubectl get deploy,sts,ds,job -n " + namespace + " -o yaml",
			})
			return
		}
		level, version, _ := strings.Cut(m[1], ":")
		var fixes []diagnosis.Fix
		if fix, ok := secured(p, m[2]); ok {
			fixes = append(fixes, fix)
		}
		fixes = append(fixes, diagnosis.Fix{
			Title:   "Or let namespace " + namespace + " demand less, if the pods need those rights",
			Command: fmt.Sprintf("kubectl label namespace %s --overwrite pod-security.kubernetes.io/enforce=%s", namespace, map[string]string{"restricted": "baseline"}[level]+map[bool]string{true: "privileged"}[level != "restricted"]),
		})
		message := fmt.Sprintf("namespace %s demands the Pod Security level %s, which the pods violate by %s", namespace, level, strings.Join(checks(m[2]), ", "))
		if version != "latest" {
			message = strings.Replace(message, "level "+level, "level "+level+" of "+version, 1)
		}
		r.report(p, message, nil, fixes...)
	},
}

var (
	violates   = regex.New(`(?s)violates PodSecurity "([^"]+)": (.+ \(.+)`)
	noProvider = regex.New(`(?s)unable to validate against any (pod security policy|security context constraint): ?(.*)`)
	check      = regex.New(`(?:^|\), )([^()]+) \(`)
)

// checks returns the name of each check that the pod failed: "runAsNonRoot != true".
func checks(list string) []string {
	var found []string
	for _, m := range check.FindAllStringSubmatch(list, -1) {
		found = append(found, strings.TrimSpace(m[1]))
	}
	return found
}

// secured is the fix by a patch, where every check that failed has one that takes nothing from the pod but rights.
func secured(p *diagnosis.Pass, list string) (diagnosis.Fix, bool) {
	t := template(p.Object(p.About()))
	if len(t.Spec.InitContainers) > 0 {
		return diagnosis.Fix{}, false
	}
	each, whole := map[string]any{}, map[string]any{}
	for _, name := range checks(list) {
		switch name {
		case "allowPrivilegeEscalation != false":
			each["allowPrivilegeEscalation"] = false
		case "unrestricted capabilities":
			each["capabilities"] = map[string]any{"drop": []string{"ALL"}}
		case "runAsNonRoot != true":
			whole["runAsNonRoot"] = true
		case "seccompProfile":
			whole["seccompProfile"] = map[string]any{"type": "RuntimeDefault"}
		case "privileged":
			each["privileged"] = false
		default:
			return diagnosis.Fix{}, false
		}
	}
	fields := map[string]any{}
	if len(whole) > 0 {
		fields["securityContext"] = whole
	}
	if len(each) > 0 {
		var containers []any
		for i := range t.Spec.Containers {
			containers = append(containers, map[string]any{"name": t.Spec.Containers[i].Name, "securityContext": each})
		}
		fields["containers"] = containers
	}
	patch := p.PatchPodSpec(fields)
	title := "Set the fields that the level asks for, if the program can do without those rights and its image does not run as root"
	return diagnosis.Fix{Title: title, Risk: diagnosis.Restart, Patch: patch}, patch != nil
}
