// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

const (
	mostMachines = 64   // directories of machines
	mostNames    = 4096 // files in one; journald keeps 100 of each sort
)

// An opened file is the one that is being read.
type opened struct {
	file
	in         *os.File
	bytes      func() (int64, error) // how large it is by now
	path       string
	start      Cursor // from which on it is read
	chains     []chain
	tailBefore Cursor // its end at the look before
	fails      int    // looks in a row at which something was incomplete
	failed     bool   // this look was one of them
}

// A candidate is a file that could be read.
type candidate struct {
	path, machine string
	header
	active bool
}

// open opens a file beneath the root, if it is a regular one.
func (r *Reader) open(name string) (*opened, error) {
	in, err := r.o.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	var f *file
	if err == nil {
		f, err = open(in, info.Size())
	}
	if err != nil {
		in.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return &opened{file: *f, in: in, path: name, bytes: func() (int64, error) { return in.Seek(0, io.SeekEnd) }}, nil
}

// again looks at the header and the size of the file anew. A header that cannot be read stays as it was.
func (c *opened) again() {
	if !c.failed {
		c.fails = 0
	}
	c.failed = false
	if size, err := c.bytes(); err == nil {
		_ = c.refresh(size)
	}
}

// waits tells whether what cannot be read may be what is just being written.
func (c *opened) waits() bool {
	if c.state != online || c.fails >= patience {
		return false
	}
	if !c.failed {
		c.failed = true
		c.fails++
	}
	return true
}

// pass leaves an entry behind.
func (c *opened) pass(at uint64) {
	for i := range c.chains {
		if c.chains[i].next == at {
			c.chains[i].pass()
		}
	}
}

// end is the place of the last entry, as the header says.
func (c *opened) end() Cursor {
	e := Cursor{ID: c.id, Seq: c.tail, Real: c.tailReal}
	if c.hasTailBoot {
		e.Boot, e.Mono = c.boot, c.tailMono
	}
	return e
}

// ended tells whether nothing more will be written: the file has been rotated or removed.
func (c *opened) ended(root *os.Root) bool {
	mine, err := c.in.Stat()
	if err != nil || !isActive(c.path) {
		return true
	}
	theirs, err := root.Stat(c.path)
	return err != nil || !os.SameFile(mine, theirs)
}

// choose opens the file to be read next: the oldest with something that has not been looked at, or else the newest.
func (r *Reader) choose() error {
	all, err := r.list()
	switch where := strings.Join(r.o.Dirs, ", "); {
	case len(all) == 0 && err != nil:
		return fmt.Errorf("no journal of systemd is to be read in %s: %w", where, err)
	case len(all) == 0:
		return fmt.Errorf("no journal of systemd is to be read in %s", where)
	}
	var next *candidate
	for i := range all {
		c := &all[i]
		switch {
		case c.tail == 0 || !r.past.precedes(c.id, c.tail, c.tailReal, r.o.Since):
		case next == nil || c.before(next):
			next = c
		}
	}
	if next == nil {
		next = newest(all)
	}
	r.notice(all)
	return r.turn(next.path)
}

// turn goes to another file.
func (r *Reader) turn(name string) error {
	c, err := r.open(name)
	if err != nil {
		return err
	}
	if r.cur != nil {
		a, err1 := c.in.Stat()
		b, err2 := r.cur.in.Stat()
		if err1 == nil && err2 == nil && os.SameFile(a, b) {
			c.in.Close()
			r.cur.path = name // as it may have been rotated
			return nil
		}
		r.cur.in.Close()
	}
	c.start = r.past
	for _, of := range r.o.Match {
		chain := chain{f: &c.file, of: of}
		if err := chain.seek(func(s stamp) bool { return r.past.precedes(c.id, s.seq, s.real, r.o.Since) }); err != nil {
			chain.fails(c, r)
		}
		c.chains = append(c.chains, chain)
	}
	r.cur = c
	return nil
}

// fails notes that the beginning of a chain was not found. One that is being written is looked at again, from its beginning.
func (c *chain) fails(in *opened, r *Reader) {
	if in.state == online {
		*c = chain{f: c.f, of: c.of}
		return
	}
	c.dead = true
	r.damaged++
}

// before tells which of two files is the older one.
func (c *candidate) before(o *candidate) bool {
	if c.id == o.id {
		return c.head < o.head
	}
	return c.headReal < o.headReal
}

// newest is the file that is being written, or was written last.
func newest(all []candidate) *candidate {
	best := &all[0]
	for i := range all {
		if c := &all[i]; c.active && !best.active || c.active == best.active && c.tailReal > best.tailReal {
			best = c
		}
	}
	return best
}

// notice looks whether files are gone that had something to be read.
func (r *Reader) notice(all []candidate) {
	if r.past.Real == 0 {
		return
	}
	var oldest *candidate
	for i := range all {
		c := &all[i]
		if c.tail == 0 || c.id != r.past.ID && oldest != nil && oldest.id == r.past.ID {
			continue // its numbers say nothing, and others do
		}
		if oldest == nil || c.id == r.past.ID && oldest.id != r.past.ID || c.before(oldest) {
			oldest = c
		}
	}
	if oldest == nil || oldest.id == r.past.ID && oldest.head <= r.past.Seq+1 || oldest.id != r.past.ID && oldest.headReal <= r.past.Real {
		return
	}
	if r.gap == nil {
		r.gap = &Gap{From: micro(r.past.Real)}
	}
	r.gap.To = micro(oldest.headReal)
}

// list are the files of the machine that was written to last: an image of a machine may have brought those of others.
func (r *Reader) list() (all []candidate, err error) {
	var failed error
	for _, dir := range r.o.Dirs {
		machines, err := r.names(dir, mostMachines)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
		for _, machine := range machines {
			if !isID(machine) {
				continue
			}
			some, err := r.files(path.Join(dir, machine), machine)
			if err != nil {
				failed = err
			}
			all = append(all, some...)
		}
	}
	if len(all) == 0 {
		return nil, failed
	}
	last := all[0]
	for _, c := range all {
		if c.tailReal > last.tailReal {
			last = c
		}
	}
	kept := all[:0]
	for _, c := range all {
		if c.machine == last.machine {
			kept = append(kept, c)
		}
	}
	return kept, nil
}

// files are those of one directory that have the system's entries, and not those of a user.
func (r *Reader) files(dir, machine string) (all []candidate, err error) {
	names, err := r.names(dir, mostNames)
	for _, name := range names {
		if name != "system.journal" && !strings.HasPrefix(name, "system@") || !strings.HasSuffix(strings.TrimSuffix(name, "~"), ".journal") {
			continue
		}
		c, failed := r.open(path.Join(dir, name))
		if failed != nil {
			err = failed
			continue
		}
		all = append(all, candidate{path: c.path, machine: machine, header: c.header, active: isActive(c.path)})
		c.in.Close()
	}
	return all, err
}

func (r *Reader) names(dir string, most int) ([]string, error) {
	d, err := r.o.Root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(most)
	if errors.Is(err, io.EOF) { // it is empty
		err = nil
	}
	return names, err
}

func isActive(name string) bool { return path.Base(name) == "system.journal" }

// isID tells whether a name is an id of a machine.
func isID(name string) bool {
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(name) == 32
}
