// SPDX-License-Identifier: Apache-2.0

package web

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

// fixOf shows what a fix does: the command, and where it patches an object that was seen, what changes in it.
func fixOf(s *evidence.Snapshot, f report.Fix) Fix {
	shown := Fix{Title: f.Title, Risk: f.Risk, RiskWords: f.RiskWords(), Command: f.Line(nil), Owned: f.Owned("")}
	if f.Patch == nil {
		return shown
	}
	t := f.Patch.Target
	object := s.Object(evidence.RefTo(t.Kind, t.Namespace, t.Name))
	if object == nil {
		return shown
	}
	after, err := f.Patch.Apply(object)
	if err != nil { // the object is another one than the patch was made for: the command stays
		return shown
	}
	shown.Diff = differing(object, after)
	return shown
}

// mostDiff is how many lines of a diff are shown.
const mostDiff = 60

// differing are the lines that differ, with those around them.
func differing(before, after evidence.Object) []Line {
	texts, err := report.Diff(before, after)
	if err != nil { // the command stays
		return nil
	}
	var lines []Line
	for _, text := range texts[:min(len(texts), mostDiff)] {
		line := Line{Text: text}
		switch {
		case strings.HasPrefix(text, "+"):
			line.Mark = "add"
		case strings.HasPrefix(text, "-"):
			line.Mark = "remove"
		}
		lines = append(lines, line)
	}
	return lines
}
