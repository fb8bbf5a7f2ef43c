// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// rule is the rule's file. Its empty fields do not validate, so that the family's test asks for each.
func (d draft) rule() string {
	lower := strings.ToLower(d.Title[:1]) + d.Title[1:]
	return fmt.Sprintf(`// SPDX-License-Identifier: Apache-2.0

package %s

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// %s recognises this: %s.
var %[2]s = &diagnosis.Rule{
	ID:    %[4]q,
	Title: %[5]q,
	Doc: %[6]s

**How it is told from its look-alikes.**

**What to do.**
%[6]s,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status,
	Effect: "",
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    "",
			Facts:      []evidence.Fact{a.Fact()},
		})
	},
}
`, d.Family, d.name(), lower, d.ID, d.Title, "`")
}

// fixture is a small bundle: replace what is in it by what a cluster really wrote.
func (d draft) fixture(purpose string) string {
	return fmt.Sprintf(`origin: hand
%s %s.
-- meta.yaml --
format: 1
taken: "2026-01-01T00:10:00Z"
has: [spec, status]
-- objects/shop/pod/web-0.yaml --
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  creationTimestamp: "2026-01-01T00:00:00Z"
spec:
  containers:
  - name: app
    image: shop/web:v1
status:
  phase: Running
  containerStatuses:
  - name: app
    image: shop/web:v1
    restartCount: 1
    lastState:
      terminated:
        exitCode: 1
        reason: Error
        startedAt: "2026-01-01T00:00:00Z"
        finishedAt: "2026-01-01T00:05:00Z"
    state:
      running:
        startedAt: "2026-01-01T00:05:01Z"
-- want --
`, d.ID, purpose)
}

// family adds the files of a family that does not exist yet, and its lines in the list of all.
func (d draft) family(project fs.FS, files map[string]string) error {
	files[d.list()] = fmt.Sprintf(`// SPDX-License-Identifier: Apache-2.0

// Package %s holds the rules about %[1]s.
package %[1]s

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
%[2]s	%[3]s,
}
`, d.Family, listBegin, d.name())
	files[path.Join(d.folder(), d.Family+"_test.go")] = fmt.Sprintf(`// SPDX-License-Identifier: Apache-2.0

package %s

import (
	"testing"

	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
)

func TestRules(t *testing.T) { ruletest.Run(t, Rules) }
`, d.Family)
	const all = "internal/rules/all.go"
	source, err := fs.ReadFile(project, all)
	if err != nil {
		return err
	}
	text := strings.Replace(string(source), "internal/diagnosis\"\n",
		"internal/diagnosis\"\n\t\"github.com/kubeinquest/inquest/internal/rules/"+d.Family+"\"\n", 1)
	files[all] = strings.Replace(text, "slices.Concat(\n", "slices.Concat(\n\t\t"+d.Family+".Rules,\n", 1)
	return nil
}
