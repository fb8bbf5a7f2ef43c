// SPDX-License-Identifier: Apache-2.0

// Package manifest holds the rules about manifests as such: what the API server refuses or drops in silence. What there is to tell was
// seen when the manifest was decoded.
package manifest

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	Unreadable,
	UnknownField,
	Duplicate,
	WrongType,
	Removed,
	Deprecated,
}

// told makes a rule's findings of the facts of one name that decoding told.
func told(p *diagnosis.Pass, name, fix string) {
	for _, f := range p.Facts(evidence.Spec, name) {
		p.Report(diagnosis.Finding{
			About: f.About, Confidence: diagnosis.Possible, Message: f.Text, Facts: []evidence.Fact{f}, Fixes: []diagnosis.Fix{{Title: fix}},
		})
	}
}
