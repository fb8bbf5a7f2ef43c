// SPDX-License-Identifier: Apache-2.0

// Package health watches those that run a node: whether the kubelet answers on the machine's own network, how it is
// configured, what it and the runtime log, what the service manager says of them, when their certificates expire, and how far
// the machine's clock is from the API server's.
package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/hostlog"
	"github.com/kubeinquest/inquest/internal/journal"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/record"
)

// Options are what a Checker needs. What is empty is not looked at.
type Options struct {
	Healthz string // of the kubelet: http://127.0.0.1:10248/healthz, from the machine's network

	Root         string   // where the host's files are mounted; those below are named from there, and never left by links
	Config       string   // the kubelet's KubeletConfiguration: var/lib/kubelet/config.yaml
	ConfigDir    string   // what amends it, where the kubelet has --config-dir
	Certificates []string // files, or directories of them: var/lib/kubelet/pki
	Logs         []string // of the kubelet and the runtime, where they are files

	Systemd string // the socket of the system's D-Bus: run/dbus/system_bus_socket, as a path of its own
	Units   []string

	// Journal are the directories of systemd's journal, var/log/journal and run/log/journal: where Logs names no file, what
	// Units and systemd log of them is read there, from where an earlier reader was.
	Journal []string
	From    journal.Cursor
	Save    func(journal.Cursor) // nil: nobody keeps the place

	// Clock is how far the machine's clock is ahead of the API server's, as its last answer told; not ok: it is not known.
	Clock func() (offset time.Duration, ok bool)

	Node evidence.Ref       // that the agent runs on
	Tell func(record.Entry) // takes what there is to tell, and does not block
	Now  func() time.Time   // nil: time.Now
}

const (
	checkEvery = 5 * time.Second // of the kubelet, the units and the clock
	retryAfter = time.Second     // of what failed
	fileEvery  = time.Minute     // of configuration and certificates
	logEvery   = time.Second
	mostMissed = 256 // things that were told to be missing
)

// A Checker looks at all of it. It is made by New.
type Checker struct {
	options Options
	root    *os.Root // nil where there is none
	client  *http.Client

	kubelet kubelet
	clock   clock
	certs   map[string]*certificate
	logs    []*follower
	unitLog *unitLog // nil: the journal is not read
	manager manager

	mu     sync.Mutex // of what follows
	config *configuration
	missed map[string]time.Time // what was said to be missing, and since when

	counts struct{ checks, failures, took atomic.Int64 }
}

// Counts are how the kubelet has answered since a Checker was made.
type Counts struct {
	Checks, Failures int64
	Took             time.Duration // by all checks
}

// Counts returns what was counted so far. It may be called at any time.
func (c *Checker) Counts() Counts {
	return Counts{c.counts.checks.Load(), c.counts.failures.Load(), time.Duration(c.counts.took.Load())}
}

// New checks the options and opens the root.
func New(o Options) (*Checker, error) {
	if o.Tell == nil || o.Node.Kind != "Node" {
		return nil, errors.New("health: Tell and Node must be set")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Checker{options: o, client: newClient(), certs: map[string]*certificate{}, manager: manager{wait: busTime, units: map[string]*unit{}}, missed: map[string]time.Time{}}
	if o.Root == "" {
		return c, nil
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return nil, fmt.Errorf("open the host's files: %w", err)
	}
	c.root = root
	for _, name := range o.Logs {
		c.logs = append(c.logs, &follower{name: name, words: hostlog.Follow(o.Node.Name)})
	}
	if len(o.Logs) == 0 && len(o.Journal) > 0 && len(o.Units) > 0 {
		c.unitLog, err = newUnitLog(root, &c.options)
	}
	return c, err
}

// Run looks at everything until the context ends. What cannot be looked at is left out, and said once.
func (c *Checker) Run(ctx context.Context) error {
	defer c.close()
	group, ctx := guard.NewGroup(ctx)
	each := func(every time.Duration, do func(context.Context) time.Duration) {
		group.Go(func() error {
			c.each(ctx, every, do)
			return nil
		})
	}
	each(checkEvery, c.check)
	if c.root != nil {
		each(fileEvery, c.files)
	}
	if len(c.logs) > 0 {
		each(logEvery, c.follow)
	}
	if c.unitLog != nil {
		each(logEvery, c.followUnits)
	}
	if c.options.Systemd != "" {
		each(checkEvery, c.unitsOf)
	}
	return group.Wait()
}

func (c *Checker) close() {
	if c.root != nil {
		_ = c.root.Close()
	}
	for _, f := range c.logs {
		f.close()
	}
	if c.unitLog != nil {
		c.unitLog.close(c)
	}
	c.manager.close()
	c.client.CloseIdleConnections()
}

// each does something again and again. What asks for another time than the usual says so.
func (*Checker) each(ctx context.Context, every time.Duration, do func(context.Context) time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			next := do(ctx)
			if next == 0 {
				next = every
			}
			timer.Reset(next)
		}
	}
}

// check asks the kubelet, and compares the clocks.
func (c *Checker) check(ctx context.Context) time.Duration {
	c.checkClock()
	if c.options.Healthz == "" {
		return 0
	}
	return c.checkKubelet(ctx)
}

// files reads what seldom changes.
func (c *Checker) files(context.Context) time.Duration {
	c.readConfig()
	c.readCertificates()
	return 0
}

// fact tells a fact about the node.
func (c *Checker) fact(source evidence.Source, at time.Time, where, name, text string, value float64) {
	c.options.Tell(record.Entry{Fact: &evidence.Fact{
		Kind: evidence.Host, Source: source, About: c.options.Node, At: at.UTC(), Where: where, Name: name, Text: line(text), Value: value,
	}})
}

// missing tells once that something cannot be looked at: a sort of thing, and which of them.
func (c *Checker) missing(what, which, why string) {
	c.mu.Lock()
	_, before := c.missed[what+" "+which]
	before = before || len(c.missed) >= mostMissed
	now := c.options.Now()
	if !before {
		c.missed[what+" "+which] = now
	}
	c.mu.Unlock()
	if !before {
		c.gap(record.Gap{What: what, From: now, Why: line(why)})
	}
}

// there tells how long something could not be looked at, if it was told that it could not.
func (c *Checker) there(what, which string) {
	c.mu.Lock()
	since, missed := c.missed[what+" "+which]
	delete(c.missed, what+" "+which)
	c.mu.Unlock()
	if missed {
		c.gap(record.Gap{What: what, From: since, To: c.options.Now(), Why: line(strings.TrimSpace(which + " could not be looked at"))})
	}
}

// gap tells of something that was not seen.
func (c *Checker) gap(g record.Gap) {
	g.About = c.options.Node
	c.options.Tell(record.Entry{Gap: &g})
}
