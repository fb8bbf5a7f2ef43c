// SPDX-License-Identifier: Apache-2.0

// Package hostlog reads the log of a node, of its kernel, kubelet, runtime or service manager, into facts: one for each
// record that tells of trouble. It reads every form in which such a log comes, masks nothing, and knows no pods.
package hostlog

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
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
	head = head[:min(len(head), maxHostHead)]
	var formed, known, words, all int
	first, plain := false, false
	p := hostParser{}
	for raw := range strings.Lines(head) {
		line := strings.TrimSpace(raw)
		if line == "" {
			continue
		}
		if all++; all > maxHostHeadLines {
			break
		}
		l := p.split(cutLine(line))
		switch hosts := l.boot > 0 || slices.Contains(hostPrograms, l.from); {
		case hosts || hostRecord.MatchString(line):
			known++
			formed++
		case l.host != "":
			formed++
		case tellsOfHost(l, line):
			words++
			first = first || all == 1
		}
		plain = plain || plainLog.MatchString(raw) && !report.MatchString(raw)
	}
	return known > 0 && 2*formed >= min(all, maxHostHeadLines) || words > 0 && (first || klogLine.MatchString(head) || logfmtLine.MatchString(head)) && !plain
}

// hostPrograms are the writers of a node's log that facts are made of.
var hostPrograms = []string{"kernel", "kubelet", "containerd", "crio"}

// plainLog matches how lines of applications begin, and those of nodes do not: a time or a level without a program.
var plainLog = regexp.MustCompile(`^[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d\S*|\d\d:\d\d:\d\d\S*)? ?\[?(?i:trace|debug|info|warn|warning|error|fatal|panic|critical)\b`)

// report matches how the kernel begins some of its reports, which have the name of a level in front.
var report = regexp.MustCompile(`^(?:INFO: (?:task \S+:\d+ blocked|rcu\w* )|WARNING: (?:CPU: |possible ))`)

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
var hostRecord = regexp.MustCompile(`(?m)^(?:<\d{1,3}>)?\[ *\d+\.\d{6}\]|^\d{1,3},\d+,\d+,[-c+,a-z=]*;|^kern +:[a-z]+ +:`)

// Parse reads a log of a node into facts, one for each record that tells of trouble. Times are those of the
// records; what is given in seconds since a boot of unknown time has none. An empty node is named after the host that the
// log names, or "node". It takes time linear in the text, and of each sort of record it keeps a bounded number.
func Parse(text, node string, taken time.Time) []evidence.Fact {
	p := hostParser{taken: taken.UTC(), node: node}
	for line := range strings.Lines(text) {
		p.line(cutLine(strings.TrimRight(line, "\r\n")))
	}
	p.close()
	p.oom.flush(&p)
	return p.facts()
}

func cutLine(line string) string {
	if len(line) > maxHostLine {
		line = line[:maxHostLine]
	}
	return strings.ToValidUTF8(line, "?")
}

// A hostParser goes over the log of one node, line by line.
type hostParser struct {
	taken time.Time
	node  string
	host  string    // as the first line that has one names it
	epoch time.Time // the time of boot, once a line tells both clocks

	kept map[string][]record
	lost map[string]int // how many of a sort were dropped
	seq  int
	open *trace // the report of several lines that is being read
	oom  oomReader
}

// A record is a fact with its place in the log.
type record struct {
	seq  int
	fact evidence.Fact
}

func (p *hostParser) line(raw string) {
	l := p.split(raw)
	if p.host == "" {
		p.host = l.host
	}
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

// add keeps a record, unless there are enough of its sort: then it takes the place of the newest.
func (p *hostParser) add(name string, source evidence.Source, at time.Time, where, text string) {
	if p.kept == nil {
		p.kept, p.lost = map[string][]record{}, map[string]int{}
	}
	p.seq++
	most := maxFactText
	if name == "oom-kill" {
		most = maxKillText
	}
	text = shortenTo(text, most)
	r := record{p.seq, evidence.Fact{Kind: evidence.Host, Source: source, At: at.UTC(), Where: where, Name: name, Text: text}}
	list, most := p.kept[name], mostOfASort
	if name == "oom-task" {
		most *= mostTasks
	}
	if len(list) >= most {
		p.lost[name]++
		list = list[:most-1]
	}
	p.kept[name] = append(list, r)
}

func shorten(text string) string { return shortenTo(text, maxFactText) }

func shortenTo(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// facts returns what was kept, in the order of the log.
func (p *hostParser) facts() []evidence.Fact {
	var all []record
	for name, list := range p.kept {
		if n := p.lost[name]; n > 0 {
			list[len(list)-1].fact.Text += fmt.Sprintf(" (and %d more before it)", n)
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b record) int { return cmp.Compare(a.seq, b.seq) })
	about := evidence.RefTo("Node", "", cmp.Or(p.node, p.host, "node"))
	facts := make([]evidence.Fact, 0, len(all))
	for _, r := range all {
		r.fact.About = about
		facts = append(facts, r.fact)
	}
	return facts
}
