// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// The wordings of mm/oom_kill.c and mm/memcontrol.c. Since 5.0 one line says all about the victim ("oom-kill:"); before,
// the control groups stand in "Task in … killed as a result of limit of …". The kill itself has been "Kill process …"
// followed by "Killed process …", and is the latter alone since 5.1.
var (
	oomLine  = regex.New(`oom-kill:constraint=(\w+),(.*)$`)
	oomLimit = regex.New(`Task in (\S+) killed as a result of limit of (\S+)`)
	oomKill  = regex.New(`Kill process (\d+)(?:,? ?\((.*?)\)|, UID \d+, \((.*?)\)).* (?:score|or sacrifice child)`)
	oomDone  = regex.New(`Killed process (\d+)(?:,? UID (\d+),)?,? \((.*?)\),? ?(.*)$`)
	oomSize  = regex.New(`(total-vm|anon-rss|file-rss|shmem-rss|UID|oom_score_adj):(-?\d+)`)
	oomTable = regex.New(`^\[ *pid *\] +(uid .*)$`)
	oomRow   = regex.New(`^\[ *(\d+)\] +(\d.*)$`)
)

// An oomReader puts the lines about one kill together.
type oomReader struct {
	at         time.Time
	constraint string
	limit      string // the control group whose limit was reached
	group      string // that of the victim
	task, pid  string
	uid        string
	pending    bool // a victim was named and not yet seen killed
	whole      bool // memory.oom.group: every process of the group is killed
	columns    []string
	tasks      []oomTask
}

type oomTask struct {
	pid, name, adj string
	rss            int // kB
}

// line reads a line that is about the out of memory killer, and tells whether it was.
func (o *oomReader) line(p *Follower, l hostLine) bool {
	text := strings.TrimSpace(l.text)
	switch {
	case strings.Contains(text, "invoked oom-killer:"):
		o.flush(p)
		*o = oomReader{at: l.at}
	case strings.Contains(text, "memory.oom.group set"):
		o.whole = true
	case strings.Contains(text, "oom-kill:constraint="):
		o.victim(p, oomLine.FindStringSubmatch(text))
	case strings.Contains(text, "killed as a result of limit of"):
		if m := oomLimit.FindStringSubmatch(text); m != nil {
			o.constraint, o.group, o.limit = "CONSTRAINT_MEMCG", m[1], m[2]
		}
	case strings.Contains(text, "Kill process "):
		if m := oomKill.FindStringSubmatch(text); m != nil {
			o.pid, o.task, o.pending = m[1], cmp.Or(m[2], m[3]), true
			o.constrain(text)
		}
	case strings.Contains(text, "Killed process "):
		return o.killed(p, l, text)
	default:
		return o.table(text)
	}
	if o.at.IsZero() {
		o.at = l.at
	}
	return true
}

// constrain reads from the kill's own line whether a limit was reached or the node ran out.
func (o *oomReader) constrain(text string) {
	switch {
	case strings.HasPrefix(text, "Memory cgroup out of memory"):
		o.constraint = "CONSTRAINT_MEMCG"
	case strings.HasPrefix(text, "Out of memory") && o.constraint == "":
		o.constraint = "CONSTRAINT_NONE"
	}
}

// victim reads the line of 5.0 and later.
func (o *oomReader) victim(p *Follower, m []string) {
	if m == nil {
		return
	}
	if o.pending {
		o.flush(p)
	}
	o.constraint, o.pending = m[1], true
	rest, named, _ := strings.Cut(m[2], ",task=") // what a process calls itself may look like the rest
	if i := strings.LastIndex(named, ",pid="); i >= 0 {
		o.task, rest = named[:i], rest+named[i:]
	}
	for pair := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "oom_memcg":
			o.limit = value
		case "task_memcg":
			o.group = value
		case "task":
			o.task = value
		case "pid":
			o.pid = value
		case "uid":
			o.uid = value
		}
	}
}

func (o *oomReader) killed(p *Follower, l hostLine, text string) bool {
	m := oomDone.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	if o.uid != "" && o.pid != m[1] && !o.whole { // another victim than the one that was named: its group is not known
		o.flush(p)
		*o = oomReader{}
	}
	o.constrain(text)
	o.pid, o.task, o.uid = m[1], m[3], cmp.Or(m[2], o.uid)
	sizes := map[string]string{}
	for _, s := range oomSize.FindAllStringSubmatch(m[4], -1) {
		sizes[s[1]] = s[2]
	}
	o.uid = cmp.Or(sizes["UID"], o.uid)
	o.report(p, cmp.Or(l.at, o.at), sizes)
	return true
}

// flush reports a victim of which the log does not show the end.
func (o *oomReader) flush(p *Follower) {
	if o.pending {
		o.report(p, o.at, nil)
	}
}

// report makes the facts of one kill. Parts that the kernel did not tell are left out.
func (o *oomReader) report(p *Follower, at time.Time, sizes map[string]string) {
	var b strings.Builder
	b.WriteString("oom-kill:")
	put := func(key, value, unit string) {
		if value != "" {
			fmt.Fprintf(&b, " %s=%s%s", key, value, unit)
		}
	}
	put("constraint", o.constraint, "")
	put("oom_memcg", o.limit, "")
	put("task_memcg", o.group, "")
	put("task", o.task, "")
	put("pid", o.pid, "")
	put("uid", o.uid, "")
	for _, key := range []string{"total-vm", "anon-rss", "file-rss", "shmem-rss"} {
		put(key, sizes[key], "kB")
	}
	put("oom_score_adj", sizes["oom_score_adj"], "")
	p.add("oom-kill", evidence.FromKernel, at, "kmsg", b.String())
	slices.SortStableFunc(o.tasks, func(a, b oomTask) int { return cmp.Compare(b.rss, a.rss) })
	for _, t := range o.tasks[:min(len(o.tasks), mostTasks)] {
		p.add("oom-task", evidence.FromKernel, at, "kmsg", fmt.Sprintf("oom-task: pid=%s rss=%dkB oom_score_adj=%s name=%s", t.pid, t.rss, t.adj, t.name))
	}
	o.pending, o.tasks = false, nil
}

// maxTable bounds the rows of one table of tasks.
const maxTable = 40_000

// table reads the table of tasks, whose columns differ between kernels. Sizes are in pages, taken as 4 KiB.
func (o *oomReader) table(text string) bool {
	if m := oomTable.FindStringSubmatch(text); m != nil {
		o.columns, o.tasks = strings.Fields(m[1]), nil
		return true
	}
	if len(o.columns) == 0 {
		return false
	}
	m := oomRow.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	fields := strings.Fields(m[2])
	if len(fields) < len(o.columns) || len(o.tasks) >= maxTable {
		return true
	}
	t := oomTask{pid: m[1], name: strings.Join(fields[len(o.columns)-1:], " ")}
	for i, column := range o.columns {
		switch column {
		case "rss":
			pages, _ := strconv.Atoi(fields[i])
			t.rss = pages * 4
		case "oom_score_adj":
			t.adj = fields[i]
		}
	}
	o.tasks = append(o.tasks, t)
	return true
}
