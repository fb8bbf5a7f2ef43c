// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Escalates recognises a role by which its holder can get other rights.
var Escalates = &diagnosis.Rule{
	ID:    "RBC102",
	Title: "Role lets its holder become more",
	Doc: `
Who has the role can get rights that the role does not name: by binding other roles, by making tokens of other accounts, by
impersonating, by running commands in pods of other accounts, by reading Secrets of a whole cluster, or through the kubelet by nodes/proxy.

**How it is told from its look-alikes.** The verbs and resources are named, and no resourceNames narrow them to a few. Reading Secrets
counts in a ClusterRole only.

**What to do.** Take the rule away, or narrow it with resourceNames; see https://kubernetes.io/docs/concepts/security/rbac-good-practices/.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		for i, r := range rulesOf(p) {
			how := path(p.About().Kind, r)
			if how == "" || len(r.ResourceNames) > 0 {
				continue
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Possible,
				Message:    fmt.Sprintf("%s lets its holder become more: it %s", p.About(), how),
				Facts:      []evidence.Fact{cite(p, fmt.Sprintf("rules[%d]", i), strings.Join(r.Verbs, ", ")+" "+strings.Join(r.Resources, ", "))},
				Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Take that rule away from %s, or name single objects with resourceNames", p.About().Name)}},
			})
		}
	},
}

// paths are the ways to other rights, by a verb and a resource of a rule.
var paths = []struct {
	verbs, resources []string
	kind, how        string
}{
	{[]string{"escalate", "bind"}, []string{"roles", "clusterroles"}, "", "may bind or widen roles that grant what it has not"},
	{[]string{"impersonate"}, []string{"users", "groups", "serviceaccounts"}, "", "may act as other users"},
	{[]string{"create"}, []string{"serviceaccounts/token"}, "", "may make tokens of other accounts"},
	{[]string{"create", "get"}, []string{"pods/exec", "pods/attach"}, "", "may run commands in pods of other accounts"},
	{[]string{"get", "create"}, []string{"nodes/proxy"}, "", "reaches the kubelet by nodes/proxy, which runs commands in any pod"},
	{[]string{"get", "list", "watch"}, []string{"secrets"}, "ClusterRole", "reads Secrets in every namespace"},
}

// path says how a rule leads to other rights, or "". Wildcards are a rule of their own.
func path(kind string, r rbacv1.PolicyRule) string {
	for _, p := range paths {
		verb := slices.ContainsFunc(p.verbs, func(v string) bool { return slices.Contains(r.Verbs, v) })
		resource := slices.ContainsFunc(p.resources, func(v string) bool { return slices.Contains(r.Resources, v) })
		if verb && resource && (p.kind == "" || p.kind == kind) {
			return p.how
		}
	}
	return ""
}
