// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Stage says how far a rule can be relied on.
type Stage uint8

// The stages of a rule. The id of a retired rule is never given to another.
const (
	Experimental Stage = iota
	Stable
	Retired
)

// A Scope is what one run of a rule looks at. The order is from narrow to wide.
type Scope uint8

// The scopes.
const (
	Attempt   Scope = iota // each end of a container's run that needs explaining
	Container              // each container of each pod asked about
	Pod
	Claim    // each PersistentVolumeClaim asked about or used by a pod asked about
	Workload // each controller asked about or above a pod asked about
	Node     // each node asked about or that runs a pod asked about
	Cluster  // once
)

// A Rule recognises one reason for a death, or for a pod that does not start, or one fault in a manifest. It is a
// value: it can be listed, validated, printed and documented.
type Rule struct {
	ID       string // "MEM001": printed, documented, never reused
	Title    string // "Container exceeded its memory limit"
	Doc      string // markdown: what happens, how it is recognised and told from its look-alikes, what to do
	Stage    Stage
	Scope    Scope
	Needs    evidence.Kind // without these the rule is skipped, and the report says so
	Also     evidence.Kind // these sharpen the answer where they can be had
	Effect   Effect        // the kind of thing this rule sees happen
	CausedBy []Effect      // the kinds of thing that can bring it about
	Change   bool          // not trouble by itself: reported only where something follows from it
	Run      func(*Pass)   // reads memory only: it cannot fail
}

var ruleID = regexp.MustCompile(`^[A-Z]{3}[0-9]{3}$`)

// Validate tells what is wrong with a set of rules; all of it, not only the first.
func Validate(rules []*Rule) error {
	var errs []error
	seen := map[string]bool{}
	for _, r := range rules {
		if err := r.validate(); err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", r.ID, err))
		}
		if seen[r.ID] {
			errs = append(errs, fmt.Errorf("rule %s: the id is given twice", r.ID))
		}
		seen[r.ID] = true
	}
	return errors.Join(errs...)
}

func (r *Rule) validate() error {
	switch {
	case !ruleID.MatchString(r.ID):
		return errors.New("the id must be three capitals and three digits")
	case r.Title == "" || strings.HasSuffix(r.Title, "."):
		return errors.New("the title must be a sentence without a full stop")
	case len(strings.Fields(r.Doc)) < 30:
		return errors.New("the doc must say what happens, how it is told from its look-alikes and what to do")
	case r.Run == nil:
		return errors.New("there is no Run")
	case r.Needs == 0:
		return errors.New("it needs no evidence, so it could fire on nothing")
	case r.Needs&r.Also != 0:
		return errors.New("a kind of evidence is both needed and optional")
	case !known(r.Effect):
		return fmt.Errorf("effect %q is not in the vocabulary", r.Effect)
	}
	for _, e := range r.CausedBy {
		if !known(e) {
			return fmt.Errorf("effect %q in CausedBy is not in the vocabulary", e)
		}
	}
	return nil
}
