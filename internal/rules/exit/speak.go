// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// reasons are the effects that can make a process end with an error of its own.
var reasons = []diagnosis.Effect{
	diagnosis.DependencyDown, diagnosis.NameUnresolved, diagnosis.NetworkFailed, diagnosis.CertExpired, diagnosis.ConfigChanged,
	diagnosis.ConfigMissing, diagnosis.RolledOut, diagnosis.StorageFull, diagnosis.VolumeFailed, diagnosis.LeaseLost, diagnosis.OutOfMemory, diagnosis.Evicted, diagnosis.PodDeleted,
	diagnosis.DeadlinePassed, diagnosis.RestartIntended,
}

// with are other effects than those before.
func with(effects ...diagnosis.Effect) []diagnosis.Effect {
	return append(effects, diagnosis.ConfigChanged, diagnosis.ConfigMissing, diagnosis.RolledOut, diagnosis.Evicted, diagnosis.PodDeleted, diagnosis.RestartIntended)
}

// finding says how the process ended and, in its own words, why. The status proves the end; that its reason is the one
// that the words give is likely. Where the pod had ended before, or exit code 0 leaves open who ended it, it only may be.
func (e *end) finding(p *diagnosis.Pass, why string, fixes ...diagnosis.Fix) diagnosis.Finding {
	f := diagnosis.Finding{
		At: e.Finished, Confidence: diagnosis.Likely, Fixes: fixes,
		Message: fmt.Sprintf("%s ended by itself %s%s: %s", who(e.Attempt), codeText(e.ExitCode), lived(p, e.Attempt), why),
		Facts:   append([]evidence.Fact{e.Fact()}, e.lines(6)...),
	}
	if podEnded(p, e.Attempt) || e.ExitCode == 0 && p.Lacks(evidence.Events) != 0 {
		f.Confidence = diagnosis.Possible
	}
	return f
}

// lines cites the block of the log, and the last line where that is what tells the class; the termination message is cited with
// the end itself.
func (e *end) lines(n int) []evidence.Fact {
	var facts []evidence.Fact
	if e.inLog {
		facts = blockFacts(e.Attempt, e.block, n)
	}
	if e.said != "" && e.said == e.last && !slices.Contains(e.block.Lines, e.last) {
		facts = append(facts, e.LineFact(e.last, e.lastAt))
	}
	return facts
}

// known returns the signature of the headline, of a product rather than a general one; nil where the catalogue has none.
func (e *end) known() *signature.Sig {
	for _, h := range signature.Hits(e.block.Headline) {
		if e.inLog && !h.Signature.General {
			return h.Signature
		}
	}
	return nil
}

// readLog is the fix that is left when the words say no more.
func (e *end) readLog(p *diagnosis.Pass, title string) diagnosis.Fix {
	return diagnosis.Fix{Title: title, Command: logCommand(e.Attempt, int(p.Status().RestartCount))}
}
