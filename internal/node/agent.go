// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/cri"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/node/health"
	"github.com/kubeinquest/inquest/internal/node/kernel"
	"github.com/kubeinquest/inquest/internal/node/ring"
	"github.com/kubeinquest/inquest/internal/node/serve"
	"github.com/kubeinquest/inquest/internal/node/signals"
	"github.com/kubeinquest/inquest/internal/node/tail"
	"github.com/kubeinquest/inquest/internal/node/usage"
)

// The agent is to be small beside what it watches, so it collects early, and hard before it grows.
const (
	memoryLimit  = 48 << 20
	collectAt    = 50 // percent of growth; Go's own default is 100
	mostThreads  = 2  // that run Go at a time: each has caches of its own, and a large node would have many
	saveRunsEach = 5 * time.Minute
	releaseAfter = 20 * time.Second // by then each feature has begun
)

// Main is the program: it returns the exit status.
func Main(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	c, err := parseConfig(args, getenv, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		if getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(memoryLimit)
		}
		if getenv("GOGC") == "" {
			debug.SetGCPercent(collectAt)
		}
		runtime.GOMAXPROCS(min(mostThreads, runtime.GOMAXPROCS(0)))
		err = Run(ctx, c, getenv, c.logger(stderr))
	}
	if err != nil {
		fmt.Fprintf(stderr, "inquest-agent: %v\n", err)
		return 1
	}
	return 0
}

// An agent is one that runs.
type agent struct {
	c        Config
	log      *slog.Logger
	api      *serve.API
	state    state
	ring     *ring.Ring
	features *features
	server   *serve.Server

	runtime atomic.Pointer[cri.Reader] // of the rooms that are made anew when they failed, the present one
	logs    atomic.Pointer[tail.Reader]
	kernel  atomic.Pointer[kernel.Reader]
	usage   atomic.Pointer[usage.Reader]
	signals atomic.Pointer[signals.Tracer]
	health  atomic.Pointer[health.Checker]
	kept    kept

	logsGroup atomic.Pointer[guard.Group] // of what works on logs
	grewAt    time.Time                   // when it was last told who had grown; of the reader of the kernel's log alone
}

// Run is the agent: it returns when the context ends, or with an error when the record cannot be kept or served.
func Run(ctx context.Context, c Config, getenv func(string) string, log *slog.Logger) error {
	api, err := apiServer(c, getenv)
	if err != nil {
		return err
	}
	a := &agent{c: c, log: log, api: api}
	if err := a.open(); err != nil {
		return err
	}
	defer a.state.root.Close()
	a.features = newFeatures(c.Node, a.ring.Tell, log)
	a.server, err = serve.New(serve.Options{
		Node: c.Node, Listen: c.Listen, Cert: c.Cert, Key: c.Key, API: api, Sources: a.sources(), Log: log,
	})
	if err == nil {
		err = a.work(ctx)
	}
	return errors.Join(err, a.ring.Close())
}

// work starts what is switched on, serves, and returns when all of it has ended.
func (a *agent) work(ctx context.Context) error {
	listener, err := a.server.Listen(ctx)
	if err != nil {
		return err
	}
	s := a.ring.Stats()
	a.log.Info("the agent runs", "node", a.c.Node, "listen", listener.Addr().String(), "features", strings.Join(a.c.Features, ","), "first", s.First, "next", s.Next)
	group, ctx := guard.NewGroup(ctx)
	for _, f := range a.all() {
		if slices.Contains(a.c.Features, f.name) {
			a.features.set(f.name, starting)
			group.Go(func() error {
				a.features.keep(ctx, f)
				return nil
			})
		}
	}
	group.Go(func() error {
		a.watchLosses(ctx)
		return nil
	})
	releasing := guard.After(releaseAfter, release, func(err error) { a.log.Warn("memory is not given back", "err", err) })
	err = a.server.Serve(ctx, listener)
	releasing.Stop()
	group.Stop()
	return errors.Join(err, group.Wait())
}

func apiServer(c Config, getenv func(string) string) (*serve.API, error) {
	url := c.APIServer
	if url == "" {
		var err error
		if url, err = serve.InCluster(getenv); err != nil {
			return nil, err
		}
	}
	return serve.NewAPI(strings.TrimSuffix(url, "/"), c.Account), nil
}

// open opens what outlives the agent.
func (a *agent) open() error {
	if err := os.MkdirAll(a.c.StateDir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the agent's state: %w", err)
	}
	root, err := os.OpenRoot(a.c.StateDir)
	if err != nil {
		return fmt.Errorf("open the agent's state: %w", err)
	}
	a.state = state{root}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		a.log.Warn("the boot is not known: a power cut looks like a restart", "err", err)
	}
	a.ring, err = ring.Open(ring.Options{
		Dir: filepath.Join(a.c.StateDir, "record"), Node: a.c.Node, Boot: strings.TrimSpace(string(boot)), Budget: a.c.RecordMiB << 20,
	})
	if err != nil {
		root.Close()
	}
	return err
}

// sources are what the server answers from.
func (a *agent) sources() serve.Sources {
	return serve.Sources{
		Read: a.read,
		Wait: a.ring.Wait,
		Span: func() (string, uint64, uint64) {
			s := a.ring.Stats()
			return s.ID, s.First, s.Next
		},
		Runs: a.runs, Log: a.findLog, Saturation: a.saturation, Kept: a.ended, Usage: a.used,
		Features: a.features.all, Ready: a.features.ready, Metrics: a.metrics,
	}
}

// place tells whose a control group is, as far as the runtime has told.
func (a *agent) place(group string) (evidence.Ref, string, bool) {
	if r := a.runtime.Load(); r != nil {
		return r.Index().Place(group)
	}
	return evidence.Ref{}, "", false
}

// knows tells whether place has all that there will be to say.
func (a *agent) knows(group string) bool {
	r := a.runtime.Load()
	return r == nil || r.Knows(group)
}

func (a *agent) node() evidence.Ref { return evidence.RefTo("Node", "", a.c.Node) }
