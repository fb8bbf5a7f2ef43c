// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A hostLine is one line of a log of a node without what the logging put before it.
type hostLine struct {
	at   time.Time // zero when only the time since boot is known
	boot float64   // seconds since boot; 0 when not told
	from string    // the program: kernel, kubelet, containerd; empty when the line does not say
	host string
	text string
}

// The forms in which lines come, and who writes them so.
var (
	// syslog, and journalctl -o short, short-precise, short-iso and short-full.
	syslogLine = regex.New(`^(?:<\d{1,3}>\d? ?)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Z]{3,4}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?) ([A-Za-z0-9._-]+) ([A-Za-z0-9@._/()-]+?)(?:\[\d+\])?: (.*)$`)
	// dmesg --time-format iso, and kubectl logs --timestamps of a program of a node.
	isoLine = regex.New(`^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)) (.*)$`)
	// dmesg -T, and dmesg -H for its first record of each minute.
	ctimeLine = regex.New(`^\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] ?(.*)$`)
	humanLine = regex.New(`^\[(?:([A-Z][a-z]{2}) ?(\d{1,2}) (\d\d:\d\d)| *[+]\d+\.\d+)\] (.*)$`)
	// dmesg, with the console's thread or CPU behind it (CONFIG_PRINTK_CALLER) and a level before it.
	bootLine = regex.New(`^(?:<\d{1,3}>)?[^\[\]]{0,60}?\[ *(\d{1,9}\.\d{3,9})\](?: ?\[ *[TC]\d+\])?(?: |$)(.*)$`)
	// /dev/kmsg (kernel Documentation/ABI/testing/dev-kmsg).
	kmsgLine = regex.New(`^(\d{1,6}),\d+,(\d+),[^;]{0,80};(.*)$`)
	// dmesg -x.
	levelLine = regex.New(`^(?:kern|user|daemon|syslog|local\d) *:[a-z]+ *: ?(.*)$`)
	// klog, as the kubelet writes.
	klogLine = regex.New(`^[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d\.\d+) +\d+ (\S+?:\d+)\] (.*)$`)
	// logrus and containerd's, and CRI-O's, which has a space in the time.
	logfmtLine = regex.New(`^time="?([^" ]+|\d{4}-\d\d-\d\d [^" ]+)"? level=\w+ (?:msg=.*)$`)
)

// split takes the prefix of a line apart. A line of no known form is all text.
func (p *Follower) split(raw string) hostLine {
	l := hostLine{text: raw}
	if strings.HasPrefix(raw, "{") {
		return p.journal(raw)
	}
	if m := levelLine.FindStringSubmatch(raw); m != nil {
		l.from, l.text = "kernel", m[1]
	}
	p.outer(&l)
	p.inner(&l)
	return l
}

// outer takes away what syslog, the journal or dmesg put before a line.
func (p *Follower) outer(l *hostLine) {
	if m := syslogLine.FindStringSubmatch(l.text); m != nil {
		l.at, l.host, l.from, l.text = p.stamp(m[1]), m[2], program(m[3]), m[4]
		return
	}
	if m := isoLine.FindStringSubmatch(l.text); m != nil {
		l.at, l.text = p.stamp(m[1]), m[2]
		return
	}
	if m := ctimeLine.FindStringSubmatch(l.text); m != nil {
		l.at, l.from, l.text = p.stamp(m[1]), "kernel", m[2]
		return
	}
	if m := kmsgLine.FindStringSubmatch(l.text); m != nil {
		us, _ := strconv.ParseFloat(m[2], 64)
		l.boot, l.from, l.text = us/1e6, "kernel", m[3]
		return
	}
	if m := humanLine.FindStringSubmatch(l.text); m != nil {
		l.from, l.text = "kernel", m[4]
		if m[1] != "" {
			l.at = p.stamp(m[1] + " " + m[2] + " " + m[3] + ":00")
		}
	}
}

// inner takes away what the program itself put before its text: the kernel's clock, klog's header, logfmt's time.
func (p *Follower) inner(l *hostLine) {
	if l.from == "" || l.from == "kernel" {
		if m := bootLine.FindStringSubmatch(l.text); m != nil {
			l.boot, _ = strconv.ParseFloat(m[1], 64)
			l.from, l.text = "kernel", m[2]
		}
	}
	if l.from != "kernel" {
		if m := klogLine.FindStringSubmatch(l.text); m != nil {
			if at := p.stamp(m[1] + "/" + m[2] + " " + m[3]); l.at.IsZero() {
				l.at = at
			}
			l.text = m[5]
		} else if m := logfmtLine.FindStringSubmatch(l.text); m != nil && l.at.IsZero() {
			l.at = p.stamp(m[1])
		}
	}
	since := time.Duration(l.boot * float64(time.Second))
	switch {
	case l.boot > 0 && !l.at.IsZero():
		p.epoch = l.at.Add(-since)
	case l.boot > 0 && !p.epoch.IsZero():
		l.at = p.epoch.Add(since)
	}
}

// journal reads a line of journalctl -o json.
func (p *Follower) journal(raw string) hostLine {
	var j struct {
		Message   any    `json:"MESSAGE"`
		Realtime  string `json:"__REALTIME_TIMESTAMP"`
		Transport string `json:"_TRANSPORT"`
		Program   string `json:"SYSLOG_IDENTIFIER"`
		Host      string `json:"_HOSTNAME"`
	}
	l := hostLine{text: raw}
	text, ok := "", false
	if json.Unmarshal([]byte(raw), &j) == nil {
		text, ok = j.Message.(string)
	}
	if !ok {
		return l
	}
	l = hostLine{host: j.Host, from: program(j.Program), text: text}
	if j.Transport == "kernel" {
		l.from = "kernel"
	}
	if us, err := strconv.ParseInt(j.Realtime, 10, 64); err == nil {
		l.at = time.UnixMicro(us).UTC()
	}
	p.inner(&l)
	return l
}

// program returns the name of a program without its path and its module: "kubelet", "containerd".
func program(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	return strings.TrimSuffix(name, ".service")
}

// layouts are the forms of time stamps. Those without a year are of the year before the snapshot; those without a zone
// are taken as UTC, which nodes usually have.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999", "Mon 2006-01-02 15:04:05.999999999 MST", "Mon Jan _2 15:04:05 2006",
}

var yearless = []string{"Jan _2 15:04:05.999999999", "01/02 15:04:05.999999999"}

func (p *Follower) stamp(text string) time.Time {
	text = strings.Replace(text, ",", ".", 1)
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	for _, layout := range yearless {
		at, err := time.Parse(layout, text)
		if err != nil || p.taken.IsZero() {
			continue
		}
		at = time.Date(p.taken.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
		if at.After(p.taken.Add(48 * time.Hour)) {
			at = at.AddDate(-1, 0, 0)
		}
		return at
	}
	return time.Time{}
}
