// SPDX-License-Identifier: Apache-2.0

package config

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PlainSecret recognises a secret that anybody can read.
var PlainSecret = &diagnosis.Rule{
	ID:    "CFG101",
	Title: "Secret is in plain text",
	Doc: `
A value in the manifest looks like a secret: by the name of its variable, key, flag, header or annotation, or by its form, as a token or a URL with a password. Looked at are
ConfigMaps and Secrets, annotations, and what containers, their probes and their hooks are given. Whoever reads the repository, the
object or the output of a build has it, and it cannot be changed without a rollout.

**How it is told from its look-alikes.** References to Secrets, values that stand for one, and names of files are left out, and in a script, be it in a command line, a variable or a
ConfigMap, what a shell puts in and names that it defines itself; in a command line and in annotations so are paths, and after a name that ends in secret what a Secret can be called, but for such as client-secret. Command and arguments are one line. The value itself is masked before anything looks at
it, and is in no output. Base64 in a Secret is no protection; encrypted forms (Sealed Secrets, SOPS) are.

**What to do.** Change the secret, as it is known now, and let it come from a Secret that is not in the repository.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Effect: diagnosis.ConfigMissing,
	Run: func(p *diagnosis.Pass) {
		for _, f := range p.Facts(evidence.Spec, "manifest-plain-secret") {
			p.Report(diagnosis.Finding{
				About: f.About, Confidence: diagnosis.Possible, Message: f.Text + " holds a secret in plain text", Facts: []evidence.Fact{f},
				Fixes: []diagnosis.Fix{{Title: "Change it, and let it come from a Secret that is not in the repository"}},
			})
		}
	},
}
