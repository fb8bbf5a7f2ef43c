// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// finding says that the container could not use what it needs, and why. A run that ended is explained by it; of one that
// goes on, the workload as a whole is what does not work.
func (c *call) finding(p *diagnosis.Pass, why string, facts ...evidence.Fact) diagnosis.Finding {
	f := diagnosis.Finding{
		At: c.block.At, Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{c.lineFact()}, facts...),
		Message: fmt.Sprintf("container %s could not use %s (%s): %s", c.run.Of.Container, c.what(), c.Problem, why),
	}
	if c.run.Ended() && (f.At.IsZero() || f.At.After(c.run.Finished)) {
		f.At = c.run.Finished
	}
	for _, before := range p.Attempts() { // it began with the first that complained of the same
		if before.Ended() && before.Finished.Before(f.At) && target(p.LogOf(before)) == c.Target {
			f.At = before.Finished
		}
	}
	if len(facts) == 0 || !c.run.Ended() {
		f.Confidence = diagnosis.Possible
	}
	if owners := p.Owners(); !c.run.Ended() && len(owners) > 0 && p.Status().Ready {
		f.About = owners[len(owners)-1]
		f.Message = fmt.Sprintf("%s, though pod %s is ready", f.Message, c.run.Of.Name)
	}
	return f
}

// lineFact cites the line that tells, whole: what is said in messages may be a part of it, or two lines in one.
func (c *call) lineFact() evidence.Fact {
	whole, most := c.said, 0
	for _, line := range c.block.Lines {
		part := strings.Join(strings.Fields(line), " ") // as in a headline
		if strings.Contains(line, c.said) || strings.Contains(part, c.said) {
			return c.run.LineFact(line, c.block.At)
		}
		if len(part) > most && strings.Contains(c.said, part) {
			whole, most = line, len(part)
		}
	}
	return c.run.LineFact(whole, c.block.At)
}

// what names what was called: the Service with its namespace and port where it is one.
func (c *call) what() string {
	if c.meant.Kind == "" {
		return c.Target
	}
	_, port := c.Host()
	name := fmt.Sprintf("Service %s", c.meant.Name)
	if c.meant.Namespace != c.run.Of.Namespace {
		name += " of namespace " + c.meant.Namespace
	}
	if port != "" {
		name += " on port " + port
	}
	return name
}

// words is the finding of a class that only words can tell. That the process ended by itself after them is the second
// fact.
func (c *call) words(why string) diagnosis.Finding {
	what := "what it called"
	if c.Target != "" {
		what = c.what()
	}
	f := diagnosis.Finding{
		At: c.block.At, Confidence: diagnosis.Possible, Facts: []evidence.Fact{c.lineFact()},
		Message: fmt.Sprintf("container %s could not use %s: %s: %s", c.run.Of.Container, what, why, c.said),
	}
	for _, h := range signature.Hits(c.said) {
		if len(f.Fixes) == 0 && !h.Signature.General {
			f.Fixes = []diagnosis.Fix{{Title: h.Signature.Fix}}
		}
	}
	if c.run.Ended() {
		f.Facts = append(f.Facts, c.run.Fact())
		if f.At.IsZero() || f.At.After(c.run.Finished) {
			f.At = c.run.Finished
		}
		if c.run.ExitCode != 0 && c.run.ExitCode != 137 && c.run.ExitCode != 143 {
			f.Confidence = diagnosis.Likely
		}
	}
	return f
}
