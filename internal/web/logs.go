// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/signature"
)

const (
	mostLines = 300 // of a log that a page shows: from its end, or around its error. The bundle has all that was captured
	mostLogs  = 8   // of one container
	mostLine  = 2000

	mostRuns   = 30       // of an incident whose logs its page shows
	mostInline = 24 << 10 // bytes of a log that the page of an incident has in itself
)

// logsOf returns the logs of the container of a death that were captured, that of its own run first, with the block that says why it
// ended and the lines that are cited marked.
func logsOf(k *known, d *history.Death) []Log {
	cited := map[string]bool{}
	cite(cited, k.report.Causes)
	logs, of, before := []Log{}, d.Of, earlier(k.snapshot, d)
	for _, l := range k.snapshot.Logs {
		if l.Of.Object() == of.Object() && (of.Container == "" || l.Of.Container == of.Container) {
			if l.Of.Attempt += before; l.Text == "" && l.Of != of {
				continue
			}
			logs = append(logs, logOf(l, cited, l.Of == of))
		}
	}
	if of.Container != "" && !k.snapshot.Taken.IsZero() && !slices.ContainsFunc(logs, func(l Log) bool { return l.Own }) {
		logs = append(logs, noLog(k.snapshot, of, before))
	}
	slices.SortStableFunc(logs, func(a, b Log) int {
		if a.Own != b.Own {
			return map[bool]int{true: -1, false: 1}[a.Own]
		}
		return b.Run - a.Run
	})
	logs = logs[:min(len(logs), mostLogs)]
	for i := range logs {
		logs[i].Place = i
	}
	return logs
}

// noLog says of a run why there is no log of it.
func noLog(s *evidence.Snapshot, of evidence.Ref, before int) Log {
	missing := "no log of this run was captured"
	if gap, lacks := s.Missing(evidence.Logs, of.InAttempt(of.Attempt-before)); lacks != 0 && gap.Why != "" {
		missing += ": " + gap.Why
	}
	return Log{Run: of.Attempt, Name: nameOfRun(of), Missing: missing, Lines: []Line{}, Own: true}
}

// earlier is how many runs of its container had ended when the restart count fell that the evidence of a death counts by: the history
// goes on counting where a cluster begins anew, and what it calls run 7 may be run 2 there. It is told by when that ended.
func earlier(s *evidence.Snapshot, d *history.Death) (before int) {
	if d.Of.Container == "" || d.Finished.IsZero() {
		return 0
	}
	for _, a := range s.Attempts(d.Of.Object()) {
		switch {
		case a.Of == d.Of:
			return 0
		case a.Of.Container == d.Of.Container && a.Of.Attempt < d.Of.Attempt && a.Finished.Unix() == d.Finished.Unix():
			before = d.Of.Attempt - a.Of.Attempt
		}
	}
	return before
}

func nameOfRun(of evidence.Ref) string { return fmt.Sprintf("%s run %d", of.Container, of.Attempt+1) }

// Inline tells whether the page itself has the lines, which are asked for when they are seen where they are many.
func (l Log) Inline() bool {
	size := 0
	for _, line := range l.Lines {
		size += len(line.At) + len(line.Text)
	}
	return !l.Unread && size <= mostInline
}

// runLogs are the logs of the runs of an incident: those of which there is a death, and what else was captured with them.
type runLogs struct {
	own, others []runLog
	more        int // runs that there is no room for
}

// A runLog is a log, and in which namespace its pod is.
type runLog struct {
	Log
	namespace string
}

// read adds the logs that were captured with a death.
func (r *runLogs) read(d *history.Death, k *known) {
	for _, log := range logsOf(k, d) {
		log.Death, log.Name = d.ID, d.Of.Name+" "+log.Name
		if log.Own {
			r.add(d, log)
		} else {
			r.others = append(r.others, runLog{log, d.Of.Namespace})
		}
	}
}

// unread adds the run of a death whose evidence is not read.
func (r *runLogs) unread(d *history.Death) {
	if d.Of.Container != "" {
		r.add(d, Log{Run: d.Of.Attempt, Name: d.Of.Name + " " + nameOfRun(d.Of), Death: d.ID, Lines: []Line{}, Own: true, Unread: true})
	}
}

func (r *runLogs) add(d *history.Death, log Log) {
	if len(r.own) == mostRuns {
		r.more++
		return
	}
	log.At, log.Exit = cmp.Or(d.Finished, d.Seen), exitOf(d.ExitCode, d.Reason)
	r.own = append(r.own, runLog{log, d.Of.Namespace})
}

// all are the runs that ended, the latest first, and behind them other runs and containers, each once. They are named with their
// namespaces where these are several.
func (r *runLogs) all() []Log {
	type run struct{ namespace, name string }
	seen, namespaces, all := map[run]bool{}, map[string]bool{}, slices.Clone(r.own)
	for _, log := range r.own {
		seen[run{log.namespace, log.Name}] = true
	}
	for _, log := range r.others {
		if of := (run{log.namespace, log.Name}); !seen[of] && len(all) < mostRuns+mostLogs {
			seen[of] = true
			all = append(all, log)
		}
	}
	for _, log := range all {
		namespaces[log.namespace] = true
	}
	return each(all, func(log runLog) Log {
		if len(namespaces) > 1 {
			log.Name = log.namespace + "/" + log.Name
		}
		return log.Log
	})
}

func logOf(l evidence.Log, cited map[string]bool, own bool) Log {
	shown := Log{Run: l.Of.Attempt, Name: nameOfRun(l.Of), Missing: l.Missing, Masked: l.Masked, Lines: []Line{}, Own: own}
	if l.Text == "" {
		shown.Missing = cmp.Or(l.Missing, "it printed nothing")
		return shown
	}
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
