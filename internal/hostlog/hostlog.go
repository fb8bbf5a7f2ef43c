// SPDX-License-Identifier: Apache-2.0

// Package hostlog reads the log of a node, of its kernel, kubelet, runtime or service manager, into facts: one for each
// record that tells of trouble. It reads every form in which such a log comes, masks nothing, and knows no pods.
package hostlog

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

const (
	// maxHostHead and maxHostHeadLines are how much of a text tells what it is.
	maxHostHead, maxHostHeadLines = 64 << 10, 200
	// maxHostLine bounds one line of a log. The kernel's own records have at most 1 KiB, the journal's usually less than
	// this; what lies beyond is cut.
	maxHostLine = 8 << 10
	// mostOfASort bounds the records that are kept of one sort: the first ones, and the newest.
	mostOfASort = 60
	// mostTasks is how many rows of the kernel's table of tasks are kept of each kill: the largest.
	mostTasks = 20
	// maxFactText bounds the text of one record, and maxKillText that of a kill for want of memory, which names the path of a
	// control group twice: with systemd's slices and a node that is itself a container each has some 300 bytes.
	maxFactText, maxKillText = 400, 1200
)

// Recognise tells by the beginning of a text whether it is a log of a node: of its kernel, kubelet, runtime or
// service manager, and not that of an application, an object or a table. One such line does not make it one, as anybody
// can print it: most lines have the form, or, in an excerpt that lost it, the text begins with such words and no line is
// like one of an application.
func Recognise(head string) bool {
	s := shapeOf(head)
	return s.isFormed() || s.words > 0 && (s.first || s.program) && !s.plain
}

// Formed tells whether most lines have the form of a node's log. An excerpt that lost it may as well be what an application
// printed.
func Formed(head string) bool {
	s := shapeOf(head)
	return s.isFormed() || s.program
}

// A shape is how the beginning of a text looks, in lines: all of them, those with the form of a node's log, those of whom facts are
// made among them, and those with words of such without the form.
type shape struct {
	all, formed, known, words int
	first                     bool // the first line has such words
	plain                     bool // there is a line as of an application
	program                   bool // there is a line as of a program of a node
}

func (s shape) isFormed() bool { return s.known > 0 && 2*s.formed >= s.all }

func shapeOf(head string) (s shape) {
	head = head[:min(len(head), maxHostHead)]
	s.program = klogLine.MatchString(head) || logfmtLine.MatchString(head)
	p := Follower{}
	for raw := range strings.Lines(head) {
		line := strings.TrimSpace(raw)
		if line == "" {
			continue
		}
		if s.all == maxHostHeadLines {
			break
		}
		s.all++
		l := p.split(cutLine(line))
		switch hosts := l.boot > 0 || slices.Contains(hostPrograms, l.from); {
		case hosts || hostRecord.MatchString(line):
			s.known++
			s.formed++
		case l.host != "":
			s.formed++
		case tellsOfHost(l, line):
			s.words++
			s.first = s.first || s.all == 1
		}
		s.plain = s.plain || plainLog.MatchString(raw) && !report.MatchString(raw)
	}
	return s
}

// hostPrograms are the writers of a node's log that facts are made of.
var hostPrograms = []string{"kernel", "kubelet", "containerd", "crio"}

// plainLog matches how lines of applications begin, and those of nodes do not: a time or a level without a program.
var plainLog = regex.New(`^[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d\S*|\d\d:\d\d:\d\d\S*)? ?\[?(?i:trace|debug|info|warn|warning|error|fatal|panic|critical)\b`)

// report matches how the kernel begins some of its reports, which have the name of a level in front.
var report = regex.New(`^(?:INFO: (?:task \S+:\d+ blocked|rcu\w* )|WARNING: (?:CPU: |possible ))`)

// tellsOfHost tells whether a line without the form of a node's log has words of one.
func tellsOfHost(l hostLine, line string) bool {
	if sort, _ := kernelSort(l); sort != "" && l.from == "" || strings.Contains(line, "invoked oom-killer:") {
		return true
	}
	sort := kubeletSort(l)
	return sort != "" && !slices.Contains(common, sort)
}

// common are sorts of records whose words an application prints as well.
var common = []string{"disk-full", "file-table", "cert-expired", "clock", "runtime-down", "program-panic", "iptables"}

// hostRecord matches forms that nothing but a kernel log has.
var hostRecord = regex.New(`(?m)^(?:<\d{1,3}>)?\[ *\d+\.\d{6}\]|^\d{1,3},\d+,\d+,[-c+,a-z=]*;|^kern +:[a-z]+ +:`)

// Parse reads a log of a node into facts, one for each record that tells of trouble. Times are those of the
// records; what is given in seconds since a boot of unknown time has none. An empty node is named after the host that the
// log names, or "node". It takes time linear in the text, and of each sort of record it keeps a bounded number.
func Parse(text, node string, taken time.Time) []evidence.Fact {
	p := Follower{node: node}
	for line := range strings.Lines(text) {
		p.Add(strings.TrimRight(line, "\r\n"), taken)
	}
	p.End()
	slices.SortFunc(p.out, func(a, b record) int { return cmp.Compare(a.seq, b.seq) })
	return p.Facts()
}

func cutLine(line string) string {
	if len(line) > maxHostLine {
		line = line[:maxHostLine]
	}
	return strings.ToValidUTF8(line, "?")
}

func (p *Follower) line(raw string) {
	l := p.split(raw)
	if p.host == "" {
		p.host = l.host
	}
	if reads(p, l.text) {
		p.take(l)
	}
}

// take reads a line that may mean something.
func (p *Follower) take(l hostLine) {
	if l.from == "kernel" || l.from == "" {
		if p.kernel(l) {
			return
		}
	}
	if l.from != "kernel" {
		if sort := kubeletSort(l); sort != "" {
			p.add(sort, sourceOf(l.from), l.at, "journal", l.text)
		}
	}
}

// sourceOf says who a program of a node speaks for.
func sourceOf(from string) evidence.Source {
	if slices.Contains(runtimes, from) {
		return evidence.FromRuntime
	}
	return evidence.FromKubelet
}

func shorten(text string) string { return shortenTo(text, maxFactText) }

func shortenTo(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
