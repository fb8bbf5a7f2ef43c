// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/signature"
)

const (
	mostLines = 300 // of a log that a page shows: from its end, or around its error. The bundle has all that was captured
	mostLogs  = 8   // of one container
	mostLine  = 2000
)

// logsOf returns the logs of a container that were captured, that of the run that is asked about first, with the block
// that says why it ended and the lines that are cited marked.
func logsOf(k *known, of evidence.Ref) []Log {
	cited := map[string]bool{}
	cite(cited, k.report.Causes)
	logs := []Log{}
	for _, l := range k.snapshot.Logs {
		if l.Of.Object() == of.Object() && (of.Container == "" || l.Of.Container == of.Container) && l.Text != "" {
			logs = append(logs, logOf(l, cited, l.Of == of))
		}
	}
	slices.SortStableFunc(logs, func(a, b Log) int {
		if a.Own != b.Own {
			return map[bool]int{true: -1, false: 1}[a.Own]
		}
		return b.Run - a.Run
	})
	return logs[:min(len(logs), mostLogs)]
}

func logOf(l evidence.Log, cited map[string]bool, own bool) Log {
	shown := Log{Run: l.Of.Attempt, Name: fmt.Sprintf("%s run %d", l.Of.Container, l.Of.Attempt+1), Missing: l.Missing, Masked: l.Masked, Own: own}
	lines := strings.Split(strings.TrimRight(l.Text, "\n"), "\n")
	block, found := signature.Find(l.Text)
	first := max(len(lines)-mostLines, 0)
	if found {
		shown.Error = block.Headline
		first = min(first, max(block.First-mostLines/10, 0))
	}
	last := min(first+mostLines, len(lines))
	if first > 0 || last < len(lines) {
		shown.Missing = strings.TrimPrefix(shown.Missing+fmt.Sprintf("; lines %d to %d of %d are shown, the bundle has all", first+1, last, len(lines)), "; ")
	}
	for i, text := range lines[first:last] {
		line := Line{Text: text, Number: first + i + 1}
		if at, rest := signature.Parse(text); !at.IsZero() {
			line.At, line.Text = at.UTC().Format("15:04:05.000"), rest
		}
		switch n := first + i; {
		case found && n >= block.First && n <= block.Last:
			line.Mark = "error"
		case isCited(cited, line.Text):
			line.Mark = "cited"
		}
		line.Text = strings.ToValidUTF8(line.Text[:min(len(line.Text), mostLine)], "\ufffd")
		shown.Lines = append(shown.Lines, line)
	}
	return shown
}

// cite notes the lines of logs that causes, and what follows from them, quote.
func cite(cited map[string]bool, causes []report.Cause) {
	for _, c := range causes {
		for _, f := range c.Facts {
			if f.Source != evidence.FromLog.String() {
				continue
			}
			for line := range strings.SplitSeq(f.Text, "\n") {
				cited[strings.TrimSpace(line)] = true
			}
		}
		cite(cited, c.Leads)
	}
	delete(cited, "")
}

func isCited(cited map[string]bool, line string) bool {
	for text := range cited {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}
