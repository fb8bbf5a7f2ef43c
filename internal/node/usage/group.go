// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A group is the control group of one container, which is that of one run of it: its counters began with the run.
type group struct {
	path, parent string
	files        *files
	first        time.Time // when it was first seen
	born         bool      // and that was when it was made
	scan         uint32    // the last full scan that saw it
	wds          [2]int32  // of its counters of kills, and of whether it holds processes

	placed  bool
	resting bool // its files are closed
	ref     evidence.Ref
	uid     string

	before   reading // the newest
	beforeAt time.Time
	counted  time.Time // when its counters were read
	limits   limits
	limitsAt time.Time
	ring     ring
	told     uint64    // kills that were told
	stale    bool      // there were some before the reader began, of which it is not known when
	killed   time.Time // when the newest one was noticed
	ended    time.Time
	disputed uint64 // kills in its pod that were this container's or those of others that ended with it
}

// add begins with a group.
func (r *Reader) add(name string, born bool, now time.Time) {
	if g := r.groups[name]; g != nil {
		g.scan = r.scan
		return
	}
	if len(r.groups) >= mostGroups {
		r.lost++
		r.over++
		return
	}
	f, err := r.source.layout.open(r.root, name)
	if err != nil {
		r.missed++ // it has gone already
		return
	}
	g := &group{path: name, parent: path.Dir(name), files: f, first: now, born: born, scan: r.scan}
	g.ring.most = max(int(r.options.Keep/r.options.Every), 1)
	r.groups[name] = g
	if r.watch != nil && r.source.layout.unified {
		g.wds = [2]int32{r.watch.file(f.memory, "memory.events", name), r.watch.file(f.memory, "cgroup.events", name)}
	}
	r.sample(g, now)
}

// place asks whose the group is, until that is known.
func (r *Reader) place(g *group) {
	if g.placed {
		return
	}
	ref, uid, ok := r.options.Place("/" + g.path)
	if !ok || ref.Container == "" || ref.Attempt == evidence.NoAttempt {
		return
	}
	g.placed, g.ref, g.uid = true, ref, uid
}

// sample reads a group once, and ends with it when it is gone.
func (r *Reader) sample(g *group, now time.Time) {
	if r.place(g); r.rest(g, now) {
		return
	}
	if now.Sub(g.first) < unplacedFor && r.source.layout.complete(r.root, g.path, g.files) {
		g.limitsAt = time.Time{}
	}
	if now.Sub(g.limitsAt) >= limitsEvery {
		g.limits, g.limitsAt = r.source.limits(g.files), now
	}
	read, err := r.source.read(g.files)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		r.end(g, now)
	}
	if err != nil {
		return
	}
	if g.beforeAt.IsZero() {
		g.before, g.beforeAt = read, now
		if !g.born {
			g.told, g.stale = read.oomKill, read.oomKill > 0
		}
		if g.born {
			g.before.periods, g.before.throttled = 0, 0 // the processors are left out: it is not known in which time
		}
	}
	if read.pids == 0 && g.before.pids > 0 { // its processes have ended, and with them what they used
		r.count(g, now)
		return
	}
	took := clip32(uint64(max(now.Sub(g.beforeAt).Milliseconds(), 0)))
	g.ring.add(pointOf(clip32(uint64(max(now.Sub(r.epoch)/tenth, 0))), took, &read, &g.before))
	g.before, g.beforeAt, g.counted = read, now, now
	r.tellKills(g, now)
}

// count reads the counters of a group and nothing else.
func (r *Reader) count(g *group, now time.Time) {
	if g.resting {
		return
	}
	r.source.counters(g.files, &g.before)
	g.counted = now
	r.place(g)
	r.tellKills(g, now)
}

// rest lets a group be whose container is not known after a while, which is a pod's sandbox as a rule, until it is known.
func (r *Reader) rest(g *group, now time.Time) bool {
	switch {
	case g.resting && g.placed:
		if f, err := r.source.layout.open(r.root, g.path); err == nil {
			g.files, g.resting = f, false
		}
	case !g.placed && !g.resting && now.Sub(g.first) > unplacedFor:
		g.files.close()
		g.resting, g.ring.points = true, nil
	}
	return g.resting
}

// tellKills tells of processes of a container that the kernel killed for want of memory since the last time.
func (r *Reader) tellKills(g *group, now time.Time) {
	if g.stale && g.placed {
		g.stale = false
		r.tell(g.uid, g.kills(g.first))
	}
	n := g.before.oomKill
	if n <= g.told {
		return
	}
	if g.killed.IsZero() {
		g.killed = now
	}
	if !g.placed {
		return
	}
	f := g.kills(g.killed)
	f.Name, f.Value = "memory.oom-kill", float64(n-g.told)
	f.Text += fmt.Sprintf(", %d more than before", n-g.told)
	r.tell(g.uid, f)
	g.told, g.killed = n, time.Time{}
}

// kills is the counter of kills as a fact: exact, as it began with the run.
func (g *group) kills(at time.Time) evidence.Fact {
	text := fmt.Sprintf("oom_kill %d", g.before.oomKill)
	if g.before.oomGroup > 0 {
		text += fmt.Sprintf(", oom_group_kill %d", g.before.oomGroup)
	}
	if g.disputed > 0 {
		text += fmt.Sprintf(", and %d in the pod, of this container or of another that ended with it", g.disputed)
	}
	return evidence.Fact{
		Kind: evidence.Usage, Source: evidence.FromKernel, About: g.ref, At: at.UTC(), Where: "cgroup memory.events",
		Name: "memory.oom-kills", Text: text, Value: float64(g.before.oomKill),
	}
}

// end tells of a run whose control group has vanished.
func (r *Reader) end(g *group, now time.Time) {
	if r.groups[g.path] != g {
		return
	}
	delete(r.groups, g.path)
	for _, wd := range g.wds {
		if wd != 0 {
			r.watch.remove(wd)
		}
	}
	g.files.close()
	g.ended = now
	r.settle(g, now)
	r.place(g)
	if !g.placed && g.resting {
		return
	}
	if !g.placed {
		r.late = append(r.late, g)
		return
	}
	r.conclude(g)
}

// conclude tells the facts of a run that ended, and keeps its samples for a while.
func (r *Reader) conclude(g *group) {
	if len(g.ring.points) == 0 && !g.before.knowsKills {
		r.missed++ // it was gone between being opened and being read
		return
	}
	r.tellKills(g, g.ended)
	for _, f := range g.summary(r.epoch) {
		r.tell(g.uid, f)
	}
	r.ended = append(r.ended, g)
	cut := 0
	for cut < len(r.ended) && (len(r.ended)-cut > mostEnded || g.ended.Sub(r.ended[cut].ended) > r.options.Keep) {
		cut++
	}
	r.ended = slices.Delete(r.ended, 0, cut)
}

// placeLate asks again about runs that ended before the runtime had told of them.
func (r *Reader) placeLate(now time.Time) {
	r.late = slices.DeleteFunc(r.late, func(g *group) bool {
		if r.place(g); g.placed {
			r.conclude(g)
			return true
		}
		if now.Sub(g.ended) > unplacedFor || len(r.late) > mostGroups {
			r.lost++
			return true
		}
		return false
	})
}

// settle finds kills that happened between the last sample of a container and its end. With v2 the counter of the pod
// outlives it, and has those of all its containers: what it has more than the others have is this container's, unless
// another one has vanished with it.
func (r *Reader) settle(g *group, now time.Time) {
	d := r.dirs[g.parent]
	if d == nil || !r.source.layout.unified {
		return
	}
	var all reading
	if r.source.events(d.files, &all); !all.knowsKills {
		return
	}
	known := d.dead + g.before.oomKill
	alone := true
	for _, other := range r.groups {
		if other.parent != g.parent || other.resting {
			continue
		}
		var its reading
		if r.source.events(other.files, &its); !its.knowsKills {
			alone = false
			its.oomKill = other.before.oomKill
		}
		known += its.oomKill
	}
	more := since(all.oomKill, known)
	d.dead += g.before.oomKill + more
	switch {
	case more > 0 && alone:
		g.before.oomKill += more
		g.killed = now
	case more > 0:
		g.disputed = more
	}
}
