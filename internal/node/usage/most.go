// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	named           = 3    // who use most of something
	mostProcesses   = 5000 // that are looked at
	mostDescriptors = 4096 // of one process
	defaultInotify  = 10 * time.Minute
)

// A consumer is one that uses something.
type consumer struct {
	name string
	uses float64
}

// largest are the names of those that use most.
func largest(all []consumer, unit string) []string {
	slices.SortFunc(all, func(a, b consumer) int { return cmp.Or(cmp.Compare(b.uses, a.uses), cmp.Compare(a.name, b.name)) })
	var names []string
	for _, c := range all[:min(len(all), named)] {
		if c.uses > 0 {
			names = append(names, fmt.Sprintf("%s %.4g%s", c.name, c.uses, unit))
		}
	}
	return names
}

// consumers are the containers that use most of what a level is about; the reader's lock is held.
func (r *Reader) consumers(level string) []string {
	var of func(p *point) float64
	var unit string
	switch level {
	case "usage.memory", "psi.memory.full":
		of, unit = func(p *point) float64 { return float64(p.working) / 1024 }, " MiB"
	case "usage.cpu", "psi.cpu.some":
		of, unit = func(p *point) float64 { return float64(p.cpu) / 1000 / float64(max(p.took, 1)) }, " processors"
	case "pids":
		of, unit = func(p *point) float64 { return float64(p.pids) }, " tasks"
	default:
		return nil
	}
	var all []consumer
	for _, g := range r.groups {
		if last := g.ring.last(); g.placed && last != nil {
			all = append(all, consumer{g.ref.Namespace + "/" + g.ref.Name + "[" + g.ref.Container + "]", of(last)})
		}
	}
	return largest(all, unit)
}

// Grew tells which containers had grown most in the minute before a time, those that have ended since among them: what a kill for want of
// the memory of all of them follows from. False where none had.
func (r *Reader) Grew(at time.Time) (record.Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []consumer
	consider := func(g *group) {
		last := g.ring.last()
		if !g.placed || last == nil || at.Sub(moment(r.epoch, last.at)).Abs() > time.Minute {
			return
		}
		least := last.working
		g.ring.all(func(p *point) {
			if last.at-p.at <= lastMinute {
				least = min(least, p.working)
			}
		})
		all = append(all, consumer{fmt.Sprintf("%s/%s[%s] to %d MiB by", g.ref.Namespace, g.ref.Name, g.ref.Container, last.working>>10), float64(last.working-least) / 1024})
	}
	for _, g := range r.ended {
		consider(g)
	}
	for _, g := range r.groups {
		consider(g)
	}
	most := largest(all, " MiB")
	if len(most) == 0 {
		return record.Entry{}, false
	}
	return record.Entry{Names: record.Anybody, Fact: &evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromMetric, About: r.options.Node, At: at.UTC(), Where: "cgroup memory.stat", Name: "memory.grew",
		Text: strings.Join(most, ", ") + ", in the minute before", Value: all[0].uses * (1 << 20),
	}}, true
}

// processes are the processes of the machine, in containers or not, that have most memory, or most threads.
func (m *machine) processes(level string) []string {
	memory := level == "usage.memory"
	if !memory && level != "pids" {
		return nil
	}
	var all []consumer
	m.eachProcess(func(pid string) {
		name, threads, pages := parseStat(m.file(pid + "/stat"))
		if name == "" {
			return
		}
		uses := float64(threads)
		if memory {
			uses = float64(pages) * float64(os.Getpagesize()) / (1 << 20)
		}
		all = append(all, consumer{"process " + pid + " (" + name + ")", uses})
	})
	if memory {
		return largest(all, " MiB")
	}
	return largest(all, " threads")
}

// eachProcess hands on the number of each process.
func (m *machine) eachProcess(each func(pid string)) {
	if _, err := m.proc.Seek(0, io.SeekStart); err != nil {
		return
	}
	names, _ := m.proc.Readdirnames(mostProcesses)
	for _, name := range names {
		if _, err := strconv.ParseUint(name, 10, 31); err == nil {
			each(name)
		}
	}
}

// parseStat reads /proc/PID/stat: the name, which may hold anything, the number of threads and the resident pages.
func parseStat(b []byte) (name string, threads, pages uint64) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return "", 0, 0
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 22 {
		return "", 0, 0
	}
	threads, _ = digits(f[17])
	pages, _ = digits(f[21])
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(b[open+1:min(end, open+65)]), "?"))
	return name, threads, pages
}

// inotifyUse is what the processes of one user have.
type inotifyUse struct{ instances, watches float64 }

// watches counts inotify instances and watches by user, as far as the agent may look at processes.
func (m *machine) watches(now time.Time) {
	if m.options.Inotify < 0 {
		return
	}
	if m.inotifyRead.IsZero() || now.Sub(m.inotifyRead) >= m.options.Inotify {
		m.inotifyRead = now
		m.inotify = m.countInotify()
	}
	m.levels = append(m.levels, m.inotify...)
}

func (m *machine) countInotify() []Level {
	users := map[uint32]*inotifyUse{}
	m.eachProcess(func(pid string) {
		var s unix.Stat_t
		if err := unix.Fstatat(int(m.proc.Fd()), pid, &s, unix.AT_SYMLINK_NOFOLLOW); err == nil && (users[s.Uid] != nil || len(users) < 1024) {
			if users[s.Uid] == nil {
				users[s.Uid] = &inotifyUse{}
			}
			m.inotifyOf(pid, users[s.Uid])
		}
	})
	var uid uint32
	var top inotifyUse
	for user, use := range users {
		if use.instances > top.instances || use.instances == top.instances && user < uid {
			uid, top = user, *use
		}
	}
	of := fmt.Sprintf("uid %d", uid)
	var list []Level
	if most := m.number("sys/fs/inotify/max_user_instances"); most > 0 && top.instances > 0 {
		list = append(list, Level{Name: "inotify.instances", Of: of, Used: top.instances, Limit: most, Mark: inotifyShare * most,
			Text: fmt.Sprintf("at least %.0f of max_user_instances %.0f", top.instances, most)})
	}
	if most := m.number("sys/fs/inotify/max_user_watches"); most > 0 && top.watches > 0 {
		list = append(list, Level{Name: "inotify.watches", Of: of, Used: top.watches, Limit: most, Mark: inotifyShare * most,
			Text: fmt.Sprintf("at least %.0f of max_user_watches %.0f", top.watches, most)})
	}
	return list
}

// inotifyOf counts those of one process, by what its descriptors are links to.
func (m *machine) inotifyOf(pid string, use *inotifyUse) {
	fd, err := unix.Openat(int(m.proc.Fd()), pid+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	dir := os.NewFile(uintptr(fd), "fd")
	defer dir.Close()
	names, _ := dir.Readdirnames(mostDescriptors)
	link := make([]byte, 64)
	for _, name := range names {
		n, err := unix.Readlinkat(fd, name, link)
		if err != nil || string(link[:max(n, 0)]) != "anon_inode:inotify" {
			continue
		}
		use.instances++
		use.watches += float64(bytes.Count(m.file(pid+"/fdinfo/"+name), []byte("\ninotify wd:")))
	}
}
