// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/node/inotify"
)

// A dir is a directory above those of containers, which is watched for new ones.
type dir struct {
	files *files // of memory only
	level level
	wd    int32
	scan  uint32
	dead  uint64 // of a pod: kills in containers that are gone
}

// rescan lists everything, and finds what came and went unheard.
func (r *Reader) rescan(now time.Time) {
	first := r.scanned.IsZero()
	r.scanned = now
	r.scan++
	budget := mostSearched
	r.search(r.options.Below, 0, &budget, !first, now)
	for _, g := range r.groups {
		if g.scan != r.scan {
			r.end(g, now)
		}
	}
	for name, d := range r.dirs {
		if d.scan != r.scan {
			r.forget(name, d)
		}
	}
}

// search looks for the directory of all pods.
func (r *Reader) search(name string, depth int, budget *int, born bool, now time.Time) {
	*budget--
	if *budget < 0 {
		return
	}
	here, err := r.root.Open(path.Join(r.source.layout.memory, name))
	if err != nil {
		return
	}
	names, err := children(here)
	_ = here.Close()
	if err != nil {
		return
	}
	for _, child := range names {
		switch of, _ := levelOf(child); {
		case of == kubepods:
			r.visit(path.Join(name, child), of, born, now)
		case of == strange && depth < mostDepth && mayHold(child):
			r.search(path.Join(name, child), depth+1, budget, born, now)
		}
	}
}

// visit watches a directory and takes in what is below it. It is watched before it is listed, so that nothing is missed.
func (r *Reader) visit(name string, of level, born bool, now time.Time) {
	d := r.dirs[name]
	if d == nil {
		if len(r.dirs) >= mostGroups {
			r.lost++
			r.over++
			return
		}
		f, err := r.root.Open(path.Join(r.source.layout.memory, name))
		if err != nil {
			return
		}
		d = &dir{files: &files{memory: f}, level: of}
		r.dirs[name] = d
		if r.watch != nil {
			d.wd = r.watch.dir(f, name)
		}
		defer r.begin(d, name)
	}
	d.scan = r.scan
	names, err := children(d.files.memory)
	if err != nil {
		return
	}
	for _, child := range names {
		r.child(d, name, child, born, now)
	}
}

// child takes in one directory of another.
func (r *Reader) child(d *dir, parent, name string, born bool, now time.Time) {
	switch of, _ := levelOf(name); {
	case of == container && d.level == pod:
		r.add(path.Join(parent, name), born, now)
	case of > d.level && of < container:
		r.visit(path.Join(parent, name), of, born, now)
	}
}

// begin notes how many kills a pod had before, in containers that are gone.
func (r *Reader) begin(d *dir, name string) {
	if d.level != pod || !r.source.layout.unified {
		return
	}
	var all reading
	r.source.events(d.files, &all)
	live := uint64(0)
	for _, g := range r.groups {
		if g.parent == name {
			live += g.before.oomKill
		}
	}
	d.dead = since(all.oomKill, live)
}

// forget lets go of a directory that is gone.
func (r *Reader) forget(name string, d *dir) {
	delete(r.dirs, name)
	if r.watch != nil && d.wd != 0 {
		r.watch.remove(d.wd)
	}
	d.files.close()
}

// heard takes in what inotify says.
func (r *Reader) heard(events []inotify.Event, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if e.Mask&unix.IN_Q_OVERFLOW != 0 { // there were more than the kernel could keep
			r.rescan(now)
			return
		}
		name := r.watch.names[e.Watch]
		if g := r.groups[name]; g != nil {
			r.count(g, now) // a process was killed, or the limit was reached, or the last process has ended
			continue
		}
		d := r.dirs[name]
		if d == nil || !plain(e.Name) {
			continue
		}
		switch {
		case e.Mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
			r.child(d, name, e.Name, true, now)
		case e.Mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
			r.gone(path.Join(name, e.Name), now)
		}
	}
}

// plain tells whether a name is one of a directory's own.
func plain(name string) bool {
	return name != "" && name != "." && name != ".." && path.Base(name) == name
}

// gone takes in that a directory has vanished.
func (r *Reader) gone(name string, now time.Time) {
	if g := r.groups[name]; g != nil {
		r.end(g, now)
	}
	if d := r.dirs[name]; d != nil {
		for _, g := range r.groups {
			if g.parent == name {
				r.end(g, now)
			}
		}
		r.forget(name, d)
	}
}
