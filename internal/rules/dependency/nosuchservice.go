// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoSuchService recognises a program that looks up a Service which is not there.
var NoSuchService = &diagnosis.Rule{
	ID:    "DEP005",
	Title: "Name of a Service that does not exist",
	Doc: `
The program looked up a name that can only be that of a Service, the name server said that there is none, and the API server confirms it:
no Service of that name is in the namespace.

**How it is told from its look-alikes.** A name without dots, or one that ends in svc, is a Service's; one of two parts may be a host of the
outside world, and is left to another rule unless the Service of it is known to be missing. Where the Service exists and its name does not
resolve, the name servers are at fault. A short name means the pod's own namespace: a Service of the same name in another one
needs that namespace in the name.

**What to do.** Correct the name, add the namespace (NAME.NAMESPACE), or deploy the Service.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.NameUnresolved,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != noSuchService {
			return
		}
		why := fmt.Sprintf("namespace %s has no Service of that name", c.meant.Namespace)
		f := c.finding(p, why, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: c.meant, At: p.Now(), Where: "services", Text: "not found",
		})
		f.Fixes = []diagnosis.Fix{{
			Title: fmt.Sprintf("Correct the name %s, add the namespace if the Service is in another one, or deploy it", c.meant.Name), Command: fmt.Sprintf("kubectl get services -A --field-selector metadata.name=%s", c.meant.Name),
		}}
		p.Report(f)
	},
}
