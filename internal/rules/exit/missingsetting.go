// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// MissingSetting recognises a program that ends because an environment variable or another setting is not there.
var MissingSetting = &diagnosis.Rule{
	ID:    "EXT010",
	Title: "Program lacks a setting that it needs",
	Doc: `
The program looked for a setting, an environment variable in most cases, did not find it, said so, and ended. The container
itself is as it was specified: what is wrong is that the specification does not give the program what it needs.

**How it is told from its look-alikes.** The name of the setting is taken from the program's last words, and the container's
environment is searched for it: a variable that the spec sets to a value is not missing, whatever the program says, and then
this rule is silent. One that is taken from a ConfigMap or Secret may be empty there. A missing ConfigMap, Secret or key keeps
the container from starting at all and is another rule's. Some programs end with exit code 0 then, and look as if they had
completed; the words count.

**What to do.** Set the variable on the container, or have it from a ConfigMap or Secret.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != settingMissing {
			return
		}
		if len(e.names) == 0 {
			p.Report(e.finding(p, e.said, diagnosis.Fix{Title: "Give the program the setting that it names"}))
			return
		}
		name := e.names[0]
		why, fact := whence(p, name)
		f := e.finding(p, fmt.Sprintf("it needs the setting %s, %s: %s", name, why, e.said))
		f.Facts = append(f.Facts, fact)
		f.Fixes = []diagnosis.Fix{{
			Title: fmt.Sprintf("Set %s on container %s, or have it from a ConfigMap or Secret", name, e.Of.Container), Risk: diagnosis.Restart,
		}}
		if top, template := p.Workload(); template != nil && variable.MatchString(name) {
			f.Fixes[0].Command = fmt.Sprintf("kubectl -n %s set env %s/%s -c %s %s=VALUE", top.Namespace, strings.ToLower(top.Kind), top.Name, e.Of.Container, name)
		}
		p.Report(f)
	},
}

var variable = regex.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// whence says what the spec has to do with a variable that the program misses.
func whence(p *diagnosis.Pass, name string) (string, evidence.Fact) {
	c := specOf(p)
	var names []string
	for _, v := range c.Env {
		if v.Name == name && v.ValueFrom != nil {
			where, text := source(v.ValueFrom)
			fact := p.CiteSpec("env["+name+"].valueFrom"+where, "")
			fact.Text = text
			return "which comes from elsewhere and is empty or not there", fact
		}
		if v.Name == name {
			fact := p.CiteSpec("env["+name+"]", "")
			fact.Text = "name " + name // an empty value is left out
			return "which the spec sets to nothing", fact
		}
		names = append(names, v.Name)
	}
	if len(c.EnvFrom) > 0 {
		return "which neither the spec nor, it seems, what it takes variables from gives", p.CiteSpec("envFrom", len(c.EnvFrom))
	}
	return "which the spec does not give", p.CiteSpec("env", names)
}

// source returns where below valueFrom a variable's source is named, and its fields.
func source(from *corev1.EnvVarSource) (where, text string) {
	switch {
	case from.SecretKeyRef != nil:
		return ".secretKeyRef", "key " + from.SecretKeyRef.Key + ", name " + from.SecretKeyRef.Name
	case from.ConfigMapKeyRef != nil:
		return ".configMapKeyRef", "key " + from.ConfigMapKeyRef.Key + ", name " + from.ConfigMapKeyRef.Name
	case from.FileKeyRef != nil:
		return ".fileKeyRef", "key " + from.FileKeyRef.Key + ", path " + from.FileKeyRef.Path
	case from.FieldRef != nil:
		return ".fieldRef", "fieldPath " + from.FieldRef.FieldPath
	case from.ResourceFieldRef != nil:
		return ".resourceFieldRef", "resource " + from.ResourceFieldRef.Resource
	}
	return "", "valueFrom map[]"
}
