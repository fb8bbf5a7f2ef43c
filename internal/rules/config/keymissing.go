// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// KeyMissing recognises a pod that waits for a key that its ConfigMap or Secret does not have.
var KeyMissing = &diagnosis.Rule{
	ID:    "CFG003",
	Title: "ConfigMap or Secret lacks a key",
	Doc: `
The ConfigMap or Secret exists, and the key that an environment variable or a volume item asks for is not in it. For a
variable the container waits with CreateContainerConfigError; for a volume the whole pod waits in ContainerCreating.

**How it is told from its look-alikes.** "couldn't find key" in the waiting message, or "references non-existent config
key" (secret key) in the newest FailedMount Event of the volume; where the object itself is missing the message says
"not found" (CFG001, CFG002). A message about a volume does not say which object it means: the finding names the one
whose items ask for that key. envFrom takes the keys that there are and never fails on one. For a volume the finding is
certain if the API shows the ConfigMap without the key, and likely otherwise.

**What to do.** Compare the key with those that the object has; the first fix names one that differs in case, in
punctuation or by a typing error. The names of keys are read from ConfigMaps only, never from Secrets.

The words are written in kubernetes pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), pkg/volume/configmap and
pkg/volume/secret (MakePayload); recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		for _, m := range missingFor(p) {
			if m.key != "" {
				m.report(p, keyFixes(p, m)...)
			}
		}
	},
}

// keyFixes proposes a key that is there and looks alike, and to add the key.
func keyFixes(p *diagnosis.Pass, m missing) []diagnosis.Fix {
	var fixes []diagnosis.Fix
	add := diagnosis.Fix{
		Title:   fmt.Sprintf("Add key %s to %s", m.key, m.object()),
		Command: fmt.Sprintf("kubectl edit -n %s %s %s", p.About().Namespace, strings.ToLower(m.kind), m.name),
	}
	keys, _, _ := p.Keys(m.name)
	if meant := near(m.key, keys); m.kind == "ConfigMap" && meant != "" {
		fix := patched(fmt.Sprintf("Ask %s for key %s, which it has, instead of %s", m.object(), meant, m.key), nil)
		if m.by.env != "" {
			ref := map[string]any{"name": m.name, "key": meant}
			env := map[string]any{"name": m.by.env, "valueFrom": map[string]any{"configMapKeyRef": ref}}
			fix = patched(fix.Title, p.PatchContainer(map[string]any{"env": []any{env}}))
		}
		fixes = append(fixes, fix)
	} else if m.kind == "ConfigMap" && len(keys) > 0 {
		add.Title += ", or ask for one that it has: " + strings.Join(keys[:min(len(keys), 8)], ", ")
	}
	return append(fixes, add)
}

// patched is a fix that a patch carries out where there is a workload to patch; else a person does.
func patched(title string, patch *diagnosis.Patch) diagnosis.Fix {
	fix := diagnosis.Fix{Title: title, Patch: patch}
	if patch != nil {
		fix.Risk = diagnosis.Restart
	}
	return fix
}
