// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"errors"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Confidence is a word, because nobody can defend 0.72 against 0.78.
type Confidence uint8

// The confidences. Certain: the kernel, the runtime, the kubelet or the API status said so. Likely: two independent
// facts agree. Possible: it fits, and so may other causes. A rule claims one; the engine lowers Likely to Possible where the
// facts are one.
const (
	Possible Confidence = iota + 1
	Likely
	Certain
)

// String returns the word.
func (c Confidence) String() string {
	return [...]string{"none", "possible", "likely", "certain"}[min(c, Certain)]
}

// A Finding is one rule's claim about one thing, and what supports it.
type Finding struct {
	Rule       *Rule        // set by the engine
	About      evidence.Ref // set by the engine to what the pass looks at, unless the rule names something else
	At         time.Time    // when it began; zero: at the time of its first fact
	Until      time.Time    // of what is known to the second: nothing before At or after this follows from it; zero: anything later may
	Confidence Confidence
	Message    string          // one sentence, no full stop: "container app was killed at its memory limit of 256Mi"
	Facts      []evidence.Fact // what supports it: never empty
	Against    []evidence.Fact // what speaks against it, shown as openly
	Through    []evidence.Ref  // the pods through which trouble reaches this thing: those behind the Service that it calls
	Fixes      []Fix           // alternatives, best first; at most one is applied
}

func (f *Finding) validate() error {
	switch {
	case len(f.Facts) == 0:
		return errors.New("it cites no fact")
	case f.Message == "":
		return errors.New("it has no message")
	case f.Confidence < Possible || f.Confidence > Certain:
		return errors.New("it has no confidence")
	case f.Confidence == Certain && !proven(f.Facts):
		return errors.New("it is certain, but no fact comes from the status or above")
	}
	return nil
}

func proven(facts []evidence.Fact) bool {
	return slices.ContainsFunc(facts, func(f evidence.Fact) bool { return f.Source >= evidence.FromStatus })
}

// alone tells whether the facts are one observation that is below the status: what one Event says again and again, or many
// lines of one log. It fits, and no second one agrees.
func alone(facts []evidence.Fact) bool {
	return !proven(facts) && !slices.ContainsFunc(facts, func(f evidence.Fact) bool {
		first := facts[0]
		return f.Source != first.Source || f.About != first.About || f.Where != first.Where || f.Name != first.Name
	})
}

// Risk is the most that applying a fix disturbs.
type Risk uint8

// The risks. Advice disturbs nothing because a person carries it out; Restart restarts pods of one workload; Evict
// moves pods; NodeRestart ends everything on a node.
const (
	Advice Risk = iota
	Restart
	Evict
	NodeRestart
)

// String returns the name of the risk.
func (r Risk) String() string {
	return [...]string{"advice", "restart", "evict", "node-restart"}[min(r, NodeRestart)]
}

// A Fix is one way to remedy a finding.
type Fix struct {
	Title   string // a verb phrase a person can say yes or no to: "Raise the memory limit of app to 512Mi"
	Risk    Risk
	Command string // what a person can type to carry it out or to look further; empty when Patch says it
	Patch   *Patch // nil when only a person can do it
}

// A Patch changes one object. It is data, so it can be shown, diffed, tested, saved and applied later.
type Patch struct {
	Target evidence.Ref
	Type   PatchType
	Data   string // JSON
}

// A PatchType says how the API server merges a patch, in the words of kubectl patch --type.
type PatchType string

// The patch types. Strategic merges lists of containers by name and works on built-in kinds only.
const (
	Strategic PatchType = "strategic"
	JSONPatch PatchType = "json"
)

// A Skip is a rule that could not be applied to a thing: evidence it needs is missing, or it is broken.
type Skip struct {
	Rule    *Rule
	About   evidence.Ref
	Missing evidence.Kind // zero when the rule is broken
	Why     string
}

// An Undetermined is a death that no finding explains well enough, and what would settle it; or a pod in trouble that no
// rule recognises.
type Undetermined struct {
	About     evidence.Ref
	At        time.Time
	Message   string
	SettledBy []string
}
