// SPDX-License-Identifier: Apache-2.0

// Package cri asks the container runtime of a node, by CRI v1 over its socket, for every run of every container, and keeps
// account of those that it did not see. It lists what there is once a second, which is the truth; where the runtime has
// events, one of them says that it is time to look at a pod again, and while there are none it lists every five seconds;
// containerd's, that a process has ended, are told at once. It never changes anything but by a Canary.
package cri

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/record"
)

// What gaps of this package are gaps of, and what they count.
const feature, runUnit = "runtime", "runs"

// Options are what a Reader needs. Tell and Node must be set.
type Options struct {
	Socket   string             // of the runtime; empty: the first of the usual ones that is there
	Node     string             // its name, which facts about the runtime are about
	Tell     func(record.Entry) // is given what was learned, from any goroutine
	Every    time.Duration      // between two lists while something happens; 0: a second
	Timeout  time.Duration      // of one call, after which the runtime counts as hung; 0: 10 s
	NoEvents bool               // lists only
	Log      *slog.Logger       // nil: nothing is logged
}

// sockets are where runtimes listen, by what their documents say.
var sockets = []string{
	"/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/k3s/containerd/containerd.sock", "/run/k0s/containerd.sock", "/run/cri-dockerd.sock",
}

// A Reader follows one runtime. What the record holds from before is given to Restore, then Run is called once; Index,
// Snapshot, Latencies and Counts may be called at any time.
type Reader struct {
	o      Options
	index  *Index
	calls  calls
	link   link
	client *client

	version string // "containerd 2.4.2"; empty: has not been asked
	linked  int    // the connection that the version is of
	gone    time.Time
	hung    map[string]time.Time // by call: since when it does not answer
	slow    time.Time            // when a slow call was last told of
	blind   time.Time            // since when it answers, and its lists cannot be read
	toldOf  bool                 // and that was told

	most                    int // containers that are remembered, and sandboxes
	runsBeyond, boxesBeyond surplus

	pass    uint64    // counts complete lists
	looked  time.Time // when the newest began
	away    time.Time // the newest entry of the record that was restored
	found   bool      // the newest list had something new
	owed    bool      // it has a run whose end was told and whose reason is to come
	calm    bool      // nothing happens, by the newest list and by events
	wrong   time.Time // when events last left something out
	hints   hints
	changed map[*pod]bool // of which a sandbox began or ended
	events  events
	ends    ends
	telling sync.Mutex // of the state of a run: it is changed and told in one step
	counts  counts
}

// New checks the options.
func New(o Options) (*Reader, error) {
	switch {
	case o.Tell == nil:
		return nil, errors.New("cri: nobody is told")
	case o.Node == "":
		return nil, errors.New("cri: the node has no name")
	case o.Every < 0 || o.Timeout < 0:
		return nil, errors.New("cri: a negative time")
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Reader{
		o: o, most: mostRuns, index: newIndex(), hung: map[string]time.Time{}, changed: map[*pod]bool{}, events: newEvents(),
		ends: ends{list: map[string]taskEnd{}, starved: map[string]time.Time{}},
	}, nil
}

// Index knows the containers that this reader has seen. It is the same one for the reader's whole life.
func (r *Reader) Index() *Index { return r.index }

// Run follows the runtime until ctx ends, and then returns nil. It returns an error at once where there is no runtime to
// follow, which names what to do; a runtime that is down or hangs is a fact and is waited for.
func (r *Reader) Run(ctx context.Context) error {
	socket, err := find(r.o.Socket)
	if err != nil {
		return err
	}
	r.o.Socket = socket
	return r.follow(ctx, r.link.to(r.o.Socket))
}

// find returns the socket: the one that is named, or the first of the usual ones. One that is named and not there while its
// folder is belongs to a runtime that is down, and is waited for. Of the usual ones nobody knows which it would be: the folder
// of containerd's says nothing, as whoever mounts it makes it.
func find(socket string) (string, error) {
	candidates := sockets
	if socket != "" {
		candidates = []string{strings.TrimPrefix(socket, "unix://")}
	}
	down := ""
	for _, name := range candidates {
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			if _, err := os.Stat(filepath.Dir(name)); err == nil && socket != "" {
				down = name
			}
			continue
		case err != nil:
			return "", fmt.Errorf("find the runtime's socket: %w; let the agent read its folder", err)
		case info.Mode()&os.ModeSocket == 0:
			return "", fmt.Errorf("find the runtime's socket: %s is no socket; name the one that the kubelet uses (containerRuntimeEndpoint)", name)
		}
		return name, nil
	}
	if down != "" {
		return down, nil
	}
	return "", fmt.Errorf("find the runtime's socket: there is no %s; mount its folder from the host, and name the socket if it is another", strings.Join(candidates, ", "))
}

// follow connects by dial and looks until ctx ends.
func (r *Reader) follow(ctx context.Context, dial dialer) error {
	r.client = connect(dial)
	defer r.client.close()
	switch err := r.greet(ctx); {
	case codeOf(err) == unimplemented:
		return fmt.Errorf("ask the runtime at %s: it does not speak CRI v1, which containerd does from 1.6 and CRI-O from 1.20 on: %w", r.o.Socket, err)
	case r.link.forbidden():
		return fmt.Errorf("ask the runtime at %s: %w; run the agent as a user or group that may open the socket", r.o.Socket, err)
	}
	group, ctx := guard.NewGroup(ctx)
	if !r.o.NoEvents {
		for i, stream := range []func(context.Context) (bool, error){r.stream, r.streamTasks} {
			group.Go(func() error {
				listen(ctx, r.events.again[i], stream)
				return nil
			})
		}
	}
	group.Go(func() error {
		r.loop(ctx)
		return nil
	})
	return group.Wait()
}

func (r *Reader) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // when the timer says so
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			r.relist(ctx)
			next = time.Now().Add(r.rest())
			timer.Reset(time.Until(next))
		case <-r.events.wake:
			r.glance(ctx)
			if soon := time.Now().Add(r.o.Every); soon.Before(next) { // an event is not all that there is to know
				next = soon
				timer.Reset(r.o.Every)
			}
		}
	}
}

const (
	calmTimes = 5               // as long as else between two lists of a runtime whose events say that nothing happens
	wrongFor  = 5 * time.Minute // for so long its events do not count after they left something out
)

// rest is how long after a list the next one is due. Where events say that nothing happens, and the list said so too and has nothing
// of which more is to come, that is longer, until one finds what no event told of.
func (r *Reader) rest() time.Duration {
	silent, now := r.events.silent(), time.Now()
	if r.calm && r.found && silent {
		r.wrong = now
	}
	r.calm = silent && !r.found && !r.owed && !r.looked.IsZero() && now.Sub(r.wrong) >= wrongFor
	if r.calm {
		return calmTimes * r.o.Every
	}
	return r.o.Every
}

// relist looks at everything.
func (r *Reader) relist(ctx context.Context) {
	began := time.Now().UTC()
	r.found = true // until it is known otherwise
	err := r.greet(ctx)
	if err == nil {
		began = time.Now().UTC()
		err = r.lookAtSandboxes(ctx)
	}
	if err == nil {
		err = r.look(ctx, "")
	}
	if ctx.Err() == nil {
		r.tellBlind(began, err)
	}
	if err != nil {
		return
	}
	r.tellSandboxes()
	if r.looked.IsZero() {
		r.tellAway(began)
	}
	r.looked = began
	r.index.forget()
}

// blindFor is for how long lists must fail until that is told.
const blindFor = 5 * time.Second

// tellBlind tells that nothing is seen of a runtime that answers, as when it has more containers than it can list, and for
// how long that was so. One that is gone or hangs is told of where that is noticed.
func (r *Reader) tellBlind(now time.Time, err error) {
	_, lost, _ := r.link.state()
	switch {
	case err == nil && r.toldOf:
		r.tell("", record.Entry{Gap: &record.Gap{About: r.node(), What: feature, From: r.blind, To: now, Why: "the runtime's lists could not be read"}})
		fallthrough
	case err == nil:
		r.blind, r.toldOf = time.Time{}, false
	case codeOf(err) == deadlineExceeded || !lost.IsZero():
	case r.blind.IsZero():
		r.blind = now
	case !r.toldOf && now.Sub(r.blind) >= blindFor:
		r.toldOf = true
		r.o.Log.Warn("the runtime's lists cannot be read", "err", err)
		r.tell("", record.Entry{Gap: &record.Gap{About: r.node(), What: feature, From: r.blind, Why: "the runtime's lists cannot be read: " + cut(err.Error(), maxText)}})
	}
}

// tellAway tells that what came and went while no agent ran has left no trace.
func (r *Reader) tellAway(now time.Time) {
	if r.away.IsZero() {
		return
	}
	r.tell("", record.Entry{Gap: &record.Gap{
		About: r.node(), What: feature, From: r.away, To: now, Unit: runUnit,
		Why: "the agent did not run: containers of pods that were removed meanwhile are not known, those of other pods are counted apart",
	}})
}

// glance looks at the pods that an event was about.
func (r *Reader) glance(ctx context.Context) {
	pods, tasks, all := r.events.take(&r.hints)
	if all || r.looked.IsZero() {
		r.relist(ctx)
		return
	}
	for _, id := range tasks {
		if uid := r.whose(ctx, id); uid != "" && !slices.Contains(pods, uid) {
			pods = append(pods, uid)
		}
	}
	for _, uid := range pods {
		if err := r.look(ctx, uid); err != nil {
			return // the next list is due within a second
		}
	}
}

// Snapshot returns the runs that the runtime has now, in order.
func (r *Reader) Snapshot() []record.Run { return r.index.present() }

func (r *Reader) node() evidence.Ref { return evidence.RefTo("Node", "", r.o.Node) }

func (r *Reader) tell(uid string, e record.Entry) {
	e.PodUID = uid
	r.o.Tell(e)
}

// fact tells what the runtime said or did.
func (r *Reader) fact(uid string, about evidence.Ref, name, where, text string, at time.Time, value float64) {
	r.tell(uid, record.Entry{Fact: &evidence.Fact{
		Kind: evidence.Host, Source: evidence.FromRuntime, About: about, At: at.UTC(), Where: where, Name: name, Text: cut(text, maxText), Value: value,
	}})
}

// greet asks who the runtime is, whenever the connection is new.
func (r *Reader) greet(ctx context.Context) error {
	dials, lost, why := r.link.state()
	if r.version != "" && dials == r.linked && lost.IsZero() {
		return nil
	}
	if r.gone.IsZero() && !lost.IsZero() {
		r.tellGone(lost, why)
	}
	answer, err := r.call(ctx, "Version", "", nil)
	if err != nil {
		return err
	}
	name, version, err := readVersion(answer)
	if err != nil {
		return err
	}
	if r.linked > 0 || !r.gone.IsZero() {
		r.events.restart()
	}
	r.linked = r.link.answered()
	before := r.version
	r.version = cut(name+" "+strings.TrimPrefix(version, "v"), maxName)
	if before != "" && r.gone.IsZero() {
		r.tellGone(time.Now(), "the connection was made anew")
	}
	if !r.gone.IsZero() {
		now := time.Now()
		r.fact("", r.node(), "runtime-back", "cri/Version", r.version+" answers at "+r.o.Socket, now, now.Sub(r.gone).Seconds())
		r.gone = time.Time{}
	}
	return nil
}

func (r *Reader) tellGone(at time.Time, why string) {
	r.gone = at
	who := r.version
	if who == "" {
		who = "the runtime"
	}
	r.fact("", r.node(), "runtime-gone", "cri/Version", fmt.Sprintf("%s is gone from %s: %s", who, r.o.Socket, why), at, 0)
}
