// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"path/filepath"
	"regexp"
	"time"

	"github.com/kubeinquest/inquest/internal/journal"
	"github.com/kubeinquest/inquest/internal/node/cri"
	"github.com/kubeinquest/inquest/internal/node/guard"
	"github.com/kubeinquest/inquest/internal/node/health"
	"github.com/kubeinquest/inquest/internal/node/kernel"
	"github.com/kubeinquest/inquest/internal/node/signals"
	"github.com/kubeinquest/inquest/internal/node/tail"
	"github.com/kubeinquest/inquest/internal/node/usage"
	"github.com/kubeinquest/inquest/internal/record"
)

// all are the features that there are.
func (a *agent) all() []feature {
	return []feature{
		{featureRuntime, a.runRuntime},
		{featureLogs, a.runLogs},
		{featureKernel, a.runKernel},
		{featureSignals, a.runSignals},
		{featureUsage, a.runUsage},
		{featureHealth, a.runHealth},
		{featureCanary, a.runCanary},
	}
}

func (a *agent) runRuntime(ctx context.Context) error {
	r, err := cri.New(cri.Options{Socket: a.c.Runtime, Node: a.c.Node, Tell: a.tellRun, Log: a.log})
	if err != nil {
		return err
	}
	a.state.runs(r.Restore)
	for e, err := range a.ring.Read(0) {
		if err != nil {
			return err
		}
		r.Restore(e)
	}
	a.runtime.Store(r)
	group, ctx := guard.NewGroup(ctx)
	group.Go(func() error {
		a.saveRuns(ctx, r)
		return nil
	})
	group.Go(func() error {
		defer group.Stop()
		return r.Run(ctx)
	})
	return group.Wait() // for both: the account of the next reader is not to be replaced by this one's
}

// saveRuns keeps what the record may drop of the runs that are known, now and then and at the end.
func (a *agent) saveRuns(ctx context.Context, r *cri.Reader) {
	tick := time.NewTicker(saveRunsEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if known := r.Known(); len(known) > 0 {
			if err := a.state.saveRuns(known); err != nil {
				a.log.Warn("the known runs cannot be kept", "err", err)
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// tellRun keeps what the runtime tells, and says of a run that ended that its log is to be kept soon: off the reader's loop, as files
// are read for that.
func (a *agent) tellRun(e record.Entry) {
	a.ring.Tell(e)
	r, group := a.logs.Load(), a.logsGroup.Load()
	if r == nil || group == nil || e.Run == nil || e.Run.State != record.Exited {
		return
	}
	guard.Go(func() error {
		r.Ended(e.PodUID, e.Run.Of.Container, e.Run.Of.Attempt)
		return nil
	}, group.Fail)
}

func (a *agent) runLogs(ctx context.Context) error {
	r, err := tail.New(tail.Options{
		Root: a.c.PodLogs, Docker: a.c.DockerLogs, Spool: filepath.Join(a.c.StateDir, "logs"), Budget: a.c.LogsMiB << 20, Tell: a.ring.Tell,
	})
	if err != nil {
		return err
	}
	a.logs.Store(r)
	defer a.logs.Store(nil) // it is closed, and gives no logs any more
	group, ctx := guard.NewGroup(ctx)
	a.logsGroup.Store(group)
	group.Go(func() error {
		defer group.Stop()
		return r.Run(ctx)
	})
	return group.Wait()
}

func (a *agent) runKernel(ctx context.Context) error {
	r, err := kernel.New(kernel.Options{
		Node: a.c.Node, Device: a.c.Kmsg, File: a.c.KernelLog, From: a.state.position(), Below: a.c.CgroupBelow, Place: a.place, Knows: a.knows, Tell: a.tellKernel,
		Root: a.c.HostRoot, Journal: a.c.Journal,
		Save: func(p kernel.Position) {
			if err := a.state.savePosition(p); err != nil {
				a.log.Warn("how far the kernel's log was read cannot be kept", "err", err)
			}
		},
	})
	if err != nil {
		return err
	}
	a.kernel.Store(r)
	return r.Run(ctx)
}

// tellKernel keeps what the kernel tells, and with a kill that was for the memory of all pods, or of the machine, who had grown.
func (a *agent) tellKernel(e record.Entry) {
	a.ring.Tell(e)
	if e.Fact == nil || e.Fact.Name != "oom-kill" || time.Since(a.grewAt) < grewEach {
		return
	}
	if m := limitGroup.FindStringSubmatch(e.Fact.Text); m != nil {
		if _, _, own := a.place(m[1]); own {
			return
		}
	}
	if r := a.usage.Load(); r != nil {
		if grew, known := r.Grew(e.Fact.At); known {
			a.grewAt = time.Now()
			a.ring.Tell(grew)
		}
	}
}

// limitGroup finds the control group at whose limit the kernel killed.
var limitGroup = regexp.MustCompile(` oom_memcg=(\S+)`)

// grewEach is how often it is told who had grown: one want of memory is several kills.
const grewEach = 10 * time.Second

func (a *agent) runUsage(ctx context.Context) error {
	r, err := usage.New(usage.Options{
		Cgroup: a.c.Cgroup, Below: a.c.CgroupBelow, Node: a.node(), Tell: a.ring.Tell, Place: a.place,
		Machine: usage.MachineOptions{Proc: a.c.Proc, Filesystems: []usage.Filesystem{
			{Name: "nodefs", Path: a.c.PodLogs}, {Name: "imagefs", Path: a.c.ImageFS}, {Name: "agent", Path: a.c.StateDir},
		}, Evict: a.evict},
	})
	if err != nil {
		return err
	}
	a.usage.Store(r)
	defer a.usage.Store(nil) // what it read last is not what is so now
	return r.Run(ctx)
}

// evict is the kubelet's threshold of a signal, as far as its configuration could be read.
func (a *agent) evict(signal string) (value float64, share, ok bool) {
	if c := a.health.Load(); c != nil {
		return c.Evict(signal)
	}
	return 0, false, false
}

func (a *agent) runSignals(ctx context.Context) error {
	t, err := signals.New(signals.Options{Node: a.c.Node, Tracefs: a.c.Tracefs, Proc: a.c.Proc, Place: a.place, Knows: a.knows, Tell: a.ring.Tell})
	if err != nil {
		return err
	}
	a.signals.Store(t)
	return t.Run(ctx)
}

func (a *agent) runHealth(ctx context.Context) error {
	c, err := health.New(health.Options{
		Healthz: a.c.KubeletHealthz, Root: a.c.HostRoot, Config: a.c.KubeletConfig, ConfigDir: a.c.KubeletConfigD, Certificates: a.c.Certificates,
		Logs: a.c.NodeLogs, Systemd: a.c.Systemd, Units: a.c.Units, Clock: a.api.Clock, Node: a.node(), Tell: a.ring.Tell,
		Journal: a.c.Journal, From: a.state.unitsRead(), Save: func(at journal.Cursor) {
			if err := a.state.saveUnitsRead(at); err != nil {
				a.log.Warn("how far the journal was read cannot be kept", "err", err)
			}
		},
	})
	if err != nil {
		return err
	}
	a.health.Store(c)
	return c.Run(ctx)
}

// runCanary makes and removes a sandbox on a schedule, where that is asked for.
func (a *agent) runCanary(ctx context.Context) error {
	c, err := cri.NewCanary(cri.CanaryOptions{
		Socket: a.c.Runtime, Node: a.c.Node, Tell: a.ring.Tell, Every: a.c.CanaryEvery, Image: a.c.CanaryImage, Command: a.c.CanaryCommand,
		CgroupParent: a.c.CanaryParent,
	})
	if err != nil {
		return err
	}
	return c.Run(ctx)
}
