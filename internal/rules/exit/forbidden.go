// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Forbidden recognises a program that ends because its service account lacks a permission.
var Forbidden = &diagnosis.Rule{
	ID:    "EXT014",
	Title: "Program is not allowed what it asks of the Kubernetes API",
	Doc: `
The program talks to the Kubernetes API as its service account, the API server refused a request, and the program gave up. The
refusal says exactly who may not do what, and where (kubernetes apiserver, ForbiddenMessage).

**How it is told from its look-alikes.** The words "is forbidden: User … cannot …" come from the API server alone. They also
stand in the log of a program that goes on without the permission; this rule speaks only where the process ended and the refusal
is its last word. A quota or an admission controller writes "is forbidden" too, without a user. A webhook or a kubelet that
is not allowed something shows elsewhere.

**What to do.** Grant the verb by a Role and a RoleBinding, or a ClusterRole for what has no namespace; if the user is the
service account "default", the pod's serviceAccountName was probably forgotten.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		m := refusal.FindStringSubmatch(e.said)
		if e.class != forbidden {
			return
		}
		if m == nil { // in other words, or cut off
			p.Report(e.finding(p, "the API server does not allow what it asks: "+e.said, diagnosis.Fix{
				Title: "Compare what it asks with what its service account may do", Command: "kubectl auth can-i --list -n " + e.Of.Namespace + " --as=system:serviceaccount:" + e.Of.Namespace + ":" + cmp.Or(p.PodSpec().ServiceAccountName, "default"),
			}))
			return
		}
		user, verb, resource, group, namespace := m[1], m[2], m[3], m[4], m[5]
		what, where := verb+" "+resource, "in the whole cluster"
		if group != "" {
			what += "." + group
		}
		if namespace != "" {
			where = "in namespace " + namespace
		}
		f := e.finding(p, fmt.Sprintf("%s may not %s %s", strings.TrimPrefix(user, "system:"), what, where))
		f.Fixes = grants(user, verb, resource, group, namespace)
		if strings.HasSuffix(user, ":default") {
			if name := p.PodSpec().ServiceAccountName; name != "" {
				f.Facts = append(f.Facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: e.Of.Object(), Where: "spec.serviceAccountName", Text: "serviceAccountName " + name,
				})
			}
			f.Fixes = append([]diagnosis.Fix{{Title: "Set the pod's serviceAccountName: it runs as the service account default, which has no permissions of its own"}}, f.Fixes...)
		}
		p.Report(f)
	},
}

var refusal = regex.New(`is forbidden: User \\?"([^"\\]+)\\?" cannot (\S+) (?:resource|path) \\?"([^"\\]+)\\?"(?: in API group \\?"([^"\\]*)\\?")?(?: in the namespace \\?"([^"\\]+)\\?"| at the cluster scope)?`)

// grants are the commands that give a service account the permission, and nothing more.
func grants(user, verb, resource, group, namespace string) []diagnosis.Fix {
	parts := strings.Split(user, ":")
	if len(parts) != 4 || parts[1] != "serviceaccount" {
		return []diagnosis.Fix{{Title: fmt.Sprintf("Grant user %s the verb %s on %s", user, verb, resource)}}
	}
	name := parts[3] + "-" + verb + "-" + strings.ReplaceAll(resource, "/", "-")
	of, kind, in := resource, "clusterrole", ""
	if base, sub, nested := strings.Cut(resource, "/"); group != "" && nested {
		of = base + "." + group + "/" + sub
	} else if group != "" {
		of += "." + group
	}
	if namespace != "" {
		kind, in = "role", " -n "+namespace
	}
	command := fmt.Sprintf("kubectl%s create %s %s --verb=%s --resource=%s && kubectl%s create %sbinding %s --%s=%s --serviceaccount=%s:%s",
		in, kind, name, verb, of, in, kind, name, kind, name, parts[2], parts[3])
	return []diagnosis.Fix{{Title: fmt.Sprintf("Grant service account %s the verb %s on %s", parts[3], verb, of), Command: command}}
}
