// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Levels of the tree: /var/log/pods, a pod, a container, and Docker's directory of one container.
const (
	levelRoot = iota
	levelPod
	levelContainer
	levelDocker
)

// unknown is the highest attempt of a container that was there before the agent.
const unknown = -2

// A dir is a directory that is held open and watched.
type dir struct {
	fd, wd    int
	id        ident
	level     int
	pod       podName
	container string
	parent    *dir   // of one of Docker's: the container's
	docker    string // identifier of Docker's container
	attempt   int    // of it
	dirty     bool
	left      bool
	dirs      map[string]*dir
	files     map[ident]*file
	runs      map[int]*run
	known     map[string]bool // suffixes under which a file of ours was seen plain
	created   map[int]int     // logs that were made, less those that were opened
	owed      time.Time       // when one was last opened
	doubt     int64           // Reader.calm from which on a log that was not found is lost; 0: all were found
	calm      int64           // Reader.calm when it was last listed
	since     time.Time       // it is watched
	latest    int             // the highest attempt seen; -1 before any, unknown where there may have been some
}

func newDir(fd int, id ident, level int) *dir {
	return &dir{fd: fd, wd: -1, id: id, level: level, dirs: map[string]*dir{}, latest: unknown}
}

// follow watches a directory and has it listed. Listing comes after watching, so that nothing falls between.
func (r *Reader) follow(d *dir) {
	r.dirs++
	wd, err := r.watch.add(d.fd)
	if err != nil {
		r.stats.Unwatched++
	} else {
		d.wd, d.since = wd, time.Now()
		r.byWatch[wd] = d
	}
	r.mark(d)
}

// leave closes a directory and all in it. Files stay open until they are read to their end, unless the Reader ends.
func (r *Reader) leave(d *dir) {
	d.left = true
	r.dirs--
	for _, child := range d.dirs {
		r.leave(child)
	}
	for _, f := range d.files {
		f.gone = true
		f.hurry()
	}
	for _, u := range d.runs {
		u.ended = u.ended || u.dir == d
	}
	delete(r.byWatch, d.wd)
	r.watch.remove(d.wd)
	r.closed(unix.Close(d.fd))
}

// closed counts what should not fail.
func (r *Reader) closed(err error) {
	if err != nil {
		r.stats.Failed++
	}
}

func (r *Reader) mark(d *dir) {
	if !d.dirty {
		d.dirty = true
		r.dirty = append(r.dirty, d)
	}
}

func (r *Reader) markAll(d *dir) {
	r.mark(d)
	for _, child := range d.dirs {
		r.markAll(child)
	}
}

// relist lists the directories in which something changed.
func (r *Reader) relist() {
	todo := r.dirty
	r.dirty = nil
	for _, d := range todo {
		d.dirty = false
		if d.left {
			continue
		}
		names, all, err := list(d.fd, maxEntries)
		if err != nil || !all {
			r.stats.Entries++
		}
		if d.level < levelContainer {
			r.listDirs(d, names, all && err == nil)
		} else {
			r.listLogs(d, names, all && err == nil)
		}
	}
}

// listDirs finds new directories and, when the list is complete, those that are gone.
func (r *Reader) listDirs(d *dir, names []string, all bool) {
	here := map[string]bool{}
	for _, name := range names {
		child, ok := d.child(name)
		if !ok {
			continue
		}
		st, err := statAt(d.fd, name)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			r.refuse(err)
			continue
		}
		here[name] = true
		if old := d.dirs[name]; old != nil && old.id == identOf(&st) {
			continue
		} else if old != nil {
			r.leave(old)
			delete(d.dirs, name)
		}
		r.enter(d, name, child)
	}
	for name, child := range d.dirs {
		if all && !here[name] {
			r.leave(child)
			delete(d.dirs, name)
		}
	}
}

// child makes what is to be known of a directory from its name.
func (d *dir) child(name string) (*dir, bool) {
	if d.level == levelRoot {
		pod, ok := parsePod(name)
		return &dir{pod: pod}, ok
	}
	return &dir{pod: d.pod, container: name}, isContainer(name)
}

func (r *Reader) enter(d *dir, name string, is *dir) {
	if r.dirs >= maxDirs {
		r.stats.Entries++
		return
	}
	fd, id, err := r.guard.dir(d.fd, name)
	if err != nil {
		r.refuse(err)
		return
	}
	child := newDir(fd, id, d.level+1)
	child.pod, child.container = is.pod, is.container
	if child.level == levelContainer {
		child.files, child.runs = map[ident]*file{}, map[int]*run{}
		child.known, child.created = map[string]bool{}, map[int]int{}
		if !r.starting { // it was made just now, and its attempts begin at 0
			child.latest = -1
		}
		for key := range r.past {
			if key.PodUID == child.pod.uid && key.Container == child.container {
				child.latest = max(child.latest, key.Attempt)
			}
		}
	}
	d.dirs[name] = child
	r.follow(child)
}

// refuse counts what is not read for safety. What has vanished meanwhile is none of that.
func (r *Reader) refuse(err error) {
	if !errors.Is(err, unix.ENOENT) {
		r.stats.Refused++
	}
}

// opened balances made. What was there before the directory was watched has no event.
func (d *dir) opened(attempt int, born time.Time) {
	if born.After(d.since.Add(-10 * time.Millisecond)) { // files have the time of the kernel's last tick
		d.created[attempt]--
		d.owed = time.Now()
	}
}

// untold is how long a file may be there before the kernel tells that it was made.
const untold = 2 * time.Second

// made remembers that a log was created, to notice the one that is gone before it was opened, under whatever name.
func (d *dir) made(entry string, calm int64) {
	d.forgive(calm)
	if n, ok := d.parse(entry); ok && !n.gzipped && !n.partial && len(d.created) < maxEntries {
		d.created[n.attempt]++
	}
}

// forgive ends what is owed when all has been heard that was made before the last listing: it was there before the watch. A file
// can be seen before the kernel has told of it, by as long as whoever made it is kept from going on in between (fs/namei.c tells of
// it after it has a name).
func (d *dir) forgive(calm int64) {
	if d.calm < calm && time.Since(d.owed) > untold {
		maps.DeleteFunc(d.created, func(_, n int) bool { return n < 0 })
	}
}

func (d *dir) parse(entry string) (logName, bool) {
	switch d.level {
	case levelContainer:
		return parseLog(entry)
	case levelDocker:
		return parseDocker(entry, d.docker, d.attempt)
	}
	return logName{}, false
}

// A seen is an entry that may be a log.
type seen struct {
	entry string
	logName
	st unix.Stat_t
}

// listLogs compares the files of a container with those that are known.
func (r *Reader) listLogs(d *dir, names []string, all bool) {
	d.forgive(r.calm)
	before := maps.Clone(d.files)
	present := r.recognise(d, r.candidates(d, names))
	for id, f := range before {
		if present[id] {
			f.strayed = time.Time{}
		} else if d.files[id] == f {
			r.vanish(d, f, all)
		}
	}
	if d.level == levelDocker {
		r.attempts(d.parent)
	} else {
		r.attempts(d)
	}
	r.balance(d)
}

// candidates are the logs in a directory, oldest first.
func (r *Reader) candidates(d *dir, names []string) []seen {
	var found []seen
	linked := map[string]bool{}
	for _, entry := range names {
		n, ok := d.parse(entry)
		if !ok || n.partial {
			continue
		}
		st, err := statAt(d.fd, entry)
		switch kind := st.Mode & unix.S_IFMT; {
		case err != nil:
		case kind == unix.S_IFREG:
			found = append(found, seen{entry, n, st})
		case kind == unix.S_IFLNK && r.docker >= 0 && d.level == levelContainer && n.live():
			linked[entry] = r.throughLink(d, entry, n, &st)
		default:
			r.stats.Refused++
			d.opened(n.attempt, time.Unix(st.Ctim.Unix()))
		}
	}
	for entry, child := range d.dirs {
		if !linked[entry] {
			r.leave(child)
			delete(d.dirs, entry)
		}
	}
	slices.SortStableFunc(found, func(a, b seen) int {
		last := 0 // what is written to comes last
		if a.live() != b.live() {
			last = map[bool]int{true: 1, false: -1}[a.live()]
		}
		return cmp.Or(a.attempt-b.attempt, last, cmp.Compare(a.st.Mtim.Nano(), b.st.Mtim.Nano()), strings.Compare(a.entry, b.entry))
	})
	return found
}

// throughLink enters the directory of Docker's that a log is a link into, and tells whether there is one. The link is
// not followed: it is read, has to have the form that Docker's have, and names a directory below Docker's own.
func (r *Reader) throughLink(d *dir, entry string, n logName, st *unix.Stat_t) bool {
	target := make([]byte, 512)
	size, err := unix.Readlinkat(d.fd, entry, target)
	if err != nil {
		return false
	}
	id, ok := dockerID(string(target[:size]), r.o.Docker)
	if !ok {
		r.stats.Refused++
		return false
	}
	if old := d.dirs[entry]; old != nil {
		if old.docker == id {
			return true
		}
		r.leave(old)
		delete(d.dirs, entry)
	}
	fd, is, err := r.guard.dir(r.docker, id)
	if err == nil && r.dirs >= maxDirs {
		err = errors.Join(errMany, unix.Close(fd))
	}
	if err != nil {
		r.refuse(err)
		return false
	}
	child := newDir(fd, is, levelDocker)
	child.pod, child.container, child.docker, child.attempt, child.parent = d.pod, d.container, id, n.attempt, d
	child.files, child.runs, child.known, child.created = map[ident]*file{}, d.runs, map[string]bool{}, map[int]int{}
	d.dirs[entry] = child
	d.opened(n.attempt, time.Unix(st.Ctim.Unix()))
	r.follow(child)
	return true
}

// recognise finds the files that are known, under whatever name they are now, and opens the others.
func (r *Reader) recognise(d *dir, found []seen) map[ident]bool {
	present := map[ident]bool{}
	for _, s := range found {
		if f := d.files[identOf(&s.st)]; f != nil {
			present[f.id] = true
			r.renamed(d, f, s)
		}
	}
	for _, s := range found {
		if id := identOf(&s.st); !present[id] {
			present[id] = true
			r.discover(d, s)
		}
	}
	return present
}

func (r *Reader) renamed(d *dir, f *file, s seen) {
	f.name = s.logName
	if !s.gzipped && f.fd >= 0 {
		d.know(s.suffix)
	}
	if f.fd >= 0 || s.gzipped == f.gzipped && s.st.Size == f.size && s.st.Mtim == f.changed {
		return
	}
	delete(d.files, f.id) // it was written to after it was put aside, or is another one of the same number
	if !f.gzipped {
		f.run.saved = append(f.run.saved, f.state())
	}
	r.discover(d, s)
}

// know remembers the suffix of a plain file, whose compressed form has nothing new.
func (d *dir) know(suffix string) {
	if len(d.known) > 256 {
		clear(d.known)
	}
	if suffix != "" {
		d.known[suffix] = true
	}
}

// vanish handles a file that was not listed. One that has a name still was renamed during the listing, or to another
// directory, which shows in the next one. When the list was not complete, it is there.
func (r *Reader) vanish(d *dir, f *file, all bool) {
	var st unix.Stat_t
	now := r.o.Now()
	named := f.fd >= 0 && unix.Fstat(f.fd, &st) == nil && st.Nlink > 0
	if named && !all {
		return
	}
	if named && (f.strayed.IsZero() || now.Sub(f.strayed) < afterGone) {
		if f.strayed.IsZero() {
			f.strayed = now
		}
		r.later = append(r.later, d)
		return
	}
	delete(d.files, f.id)
	f.gone = true
	f.hurry()
}

// attempts notes which runs are over, all but the one with the highest number, and which were never seen: their logs were
// made and gone before they could be opened, or their numbers are missing.
func (r *Reader) attempts(d *dir) {
	if d.dirty { // something was renamed during the listing, and is found in the next
		return
	}
	about := evidence.RefTo("Pod", d.pod.namespace, d.pod.name).InContainer(d.container)
	numbers := slices.Collect(maps.Keys(d.runs))
	for n, made := range d.created {
		if made > 0 && d.runs[n] == nil {
			numbers = append(numbers, n)
			delete(d.created, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		skipped := 0
		if d.latest != unknown {
			skipped = max(n-d.latest-1, 0)
		}
		if d.runs[n] == nil && n > d.latest {
			skipped++
		}
		if skipped > 0 {
			r.stats.LostRuns += int64(skipped)
			r.gap(d.pod.uid, about, int64(skipped), "runs", fmt.Sprintf("logs of attempts up to %d were removed before they could be read", n))
		}
		d.latest = max(d.latest, n)
	}
	for n, run := range d.runs {
		if n < d.latest && !run.ended {
			run.ended = true
			run.hurry()
		}
	}
}

// balance counts logs that were made and never opened. One that is opened before its event is heard is owed. One that is renamed while
// a directory is listed may be listed under neither name (POSIX leaves that open for readdir), so what is not found is looked for again
// once all has been heard.
func (r *Reader) balance(d *dir) {
	d.calm = r.calm
	if d.dirty { // something was renamed during the listing, and is found in the next
		return
	}
	sure, doubt := d.doubt > 0 && r.calm >= d.doubt, int64(0)
	for attempt, n := range d.created {
		if n > 0 && !sure {
			doubt = cmp.Or(d.doubt, r.calm+1)
			continue
		}
		if n > 0 {
			r.stats.LostFiles += int64(n)
			r.gap(d.pod.uid, d.pod.run(d.container, attempt), int64(n), "files", "log files were removed before they could be opened")
		}
		if n >= 0 {
			delete(d.created, attempt)
		}
	}
	if d.doubt = doubt; doubt > 0 {
		r.later = append(r.later, d)
	}
}
