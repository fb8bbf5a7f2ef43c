// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	// canaryLabel marks what a canary makes. It has no label of Kubernetes: it is of no pod.
	canaryLabel = "kubeinquest.io/canary"
	canaryName  = "inquest-canary"
	leaveTime   = 5 * time.Second // for what an agent that is stopped has to remove
	systemSlice = "system.slice"
)

// CanaryOptions are what a Canary needs. Tell and Node must be set.
type CanaryOptions struct {
	Socket       string             // of the runtime; empty: the first of the usual ones that is there
	Node         string             // its name
	Tell         func(record.Entry) // is given what was learned
	Every        time.Duration      // between two tries; 0: 5 minutes
	Timeout      time.Duration      // of one step; 0: a minute
	Image        string             // of a container that is started besides; it must be on the node. Empty: a sandbox alone
	Command      []string           // of that container; empty: as the image says
	CgroupParent string             // of the sandbox; empty: system.slice where the runtime has systemd make control groups, else where it puts it
	HostNetwork  bool               // no network of its own, so that the network plugin is not tried
}

// A Canary makes, starts and removes a sandbox on a schedule, and a container in it if it has an image: a node may be Ready
// and yet unable to create anything. It is the one part of this package that changes something, and for those who ask for it.
// The kubelet removes sandboxes that it did not make, within seconds: what vanishes between two steps is no failure.
type Canary struct {
	o      CanaryOptions
	client *client
	parent string // of the sandbox's control group
}

// NewCanary checks the options.
func NewCanary(o CanaryOptions) (*Canary, error) {
	switch {
	case o.Tell == nil:
		return nil, errors.New("canary: nobody is told")
	case o.Node == "":
		return nil, errors.New("canary: the node has no name")
	case o.Every < 0 || o.Timeout < 0:
		return nil, errors.New("canary: a negative time")
	}
	if o.Every == 0 {
		o.Every = 5 * time.Minute
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return &Canary{o: o}, nil
}

// Run tries at once and then on the schedule, until ctx ends, and then returns nil. It returns an error where there is no
// runtime. It leaves nothing behind, and removes what one before it had to leave.
func (c *Canary) Run(ctx context.Context) error {
	socket, err := find(c.o.Socket)
	if err != nil {
		return err
	}
	c.follow(ctx, new(link).to(socket))
	return nil
}

func (c *Canary) follow(ctx context.Context, dial dialer) {
	c.client = connect(dial)
	defer c.client.close()
	tick := time.NewTicker(c.o.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if c.parent = c.o.CgroupParent; c.parent == "" && c.bySystemd(ctx) {
			c.parent = systemSlice
		}
		c.try(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// A trial is one try, step by step.
type trial struct {
	*Canary
	began time.Time
	steps []string // "RunPodSandbox 0.4 s"
	err   error    // of the first step that failed; nothing is done after it
	where string
	at    time.Time
}

// try makes and removes a sandbox, and tells how it went.
func (c *Canary) try(ctx context.Context) {
	t := trial{Canary: c, began: time.Now(), at: time.Now(), where: "cri/RemovePodSandbox"}
	t.err = c.sweep(ctx) // if that fails, another one would only be one more that is left
	config := c.sandbox(strconv.FormatInt(t.began.UnixNano(), 36))
	box := t.step(ctx, "RunPodSandbox", request{}.message(1, config))
	if c.o.Image != "" {
		id := t.step(ctx, "CreateContainer", request{}.text(1, box).message(2, c.container()).message(3, config))
		t.step(ctx, "StartContainer", request{}.text(1, id))
	}
	t.step(ctx, "StopPodSandbox", request{}.text(1, box))
	t.step(ctx, "RemovePodSandbox", request{}.text(1, box))
	took := time.Since(t.began)
	switch {
	case t.err == nil:
		c.fact("canary", "cri", t.began, took, fmt.Sprintf("the runtime made and removed a sandbox in %.1f s: %s", took.Seconds(), strings.Join(t.steps, ", ")))
		return
	case ctx.Err() == nil && !t.taken(ctx, box):
		took = time.Since(t.at)
		c.fact("canary-failed", t.where, t.at, took, fmt.Sprintf("the runtime failed to make or remove a sandbox: %s after %.1f s", t.err, took.Seconds()))
	}
	left, cancel := context.WithCancel(context.WithoutCancel(ctx)) // an agent that is stopped does not leave its sandbox, if the runtime lets it
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-left.Done():
		case <-time.After(leaveTime):
			cancel()
		}
	})()
	_ = c.sweep(left)
}

// bySystemd tells whether the runtime has systemd make control groups, as runtimes say from containerd 2.0 and CRI-O 1.28 on: these
// have to be in a slice then.
func (c *Canary) bySystemd(ctx context.Context) bool {
	answer, err := c.call(ctx, "RuntimeConfig", nil)
	if err != nil {
		return false
	}
	linux, err := one(answer, 1)
	if err != nil || linux.number == 0 {
		return false
	}
	driver, err := one(linux.bytes, 1)
	return err == nil && driver.value == 0 // CgroupDriver SYSTEMD
}

// taken tells whether a step failed because somebody else removes the sandbox: it is gone, or it was stopped before it was to be.
func (t *trial) taken(ctx context.Context, box string) bool {
	switch {
	case box == "" || codeOf(t.err) == deadlineExceeded:
		return false
	case t.where == "cri/StopPodSandbox" || t.where == "cri/RemovePodSandbox":
		return codeOf(t.err) == notFound
	}
	ready, err := t.mine(ctx)
	return err == nil && !ready[box] // a runtime says of an image too that it is not found
}

// step calls a method, unless one before it failed, and returns the id that is in its answer, if one is.
func (t *trial) step(ctx context.Context, method string, r request) string {
	if t.err != nil {
		return ""
	}
	t.where, t.at = path.Join("cri", method), time.Now()
	answer, err := t.call(ctx, method, r)
	if err != nil {
		t.err = err
		return ""
	}
	t.steps = append(t.steps, fmt.Sprintf("%s %.1f s", method, time.Since(t.at).Seconds()))
	id, err := one(answer, 1)
	t.err = err
	return string(id.bytes)
}

func (c *Canary) call(ctx context.Context, method string, r request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	return c.client.invoke(ctx, method, r)
}

// sweep removes what a try had to leave. What cannot be removed now is tried again before the next.
func (c *Canary) sweep(ctx context.Context) error {
	left, err := c.mine(ctx)
	for _, id := range slices.Sorted(maps.Keys(left)) {
		if err == nil {
			_, err = c.call(ctx, "StopPodSandbox", request{}.text(1, id))
		}
		if err == nil {
			_, err = c.call(ctx, "RemovePodSandbox", request{}.text(1, id))
		}
	}
	return err
}

// mine returns the sandboxes that a canary of this node made, and which of them are ready.
func (c *Canary) mine(ctx context.Context) (map[string]bool, error) {
	answer, err := c.call(ctx, "ListPodSandbox", request{}.message(1, request{}.pair(3, canaryLabel, c.o.Node)))
	if err != nil {
		return nil, err
	}
	list := map[string]bool{}
	return list, each(answer, func(data []byte) error {
		id, state, err := head(data, sandboxState)
		list[string(id)] = state == 0 // SANDBOX_READY
		return err
	})
}

// sandbox is the configuration of a sandbox (message PodSandboxConfig).
func (c *Canary) sandbox(uid string) request {
	const node = 2 // NamespaceMode NODE
	linux := request{}
	if c.parent != "" {
		linux = linux.text(1, c.parent)
	}
	if c.o.HostNetwork {
		linux = linux.message(2, request{}.message(1, request{}.number(1, node)))
	}
	return request{}.message(1, request{}.text(1, canaryName).text(2, canaryName+"-"+uid).text(3, canaryName)).
		pair(6, canaryLabel, c.o.Node).message(8, linux)
}

// container is the configuration of a container (message ContainerConfig): of the image's own user, without privileges to
// gain.
func (c *Canary) container() request {
	const container = 1 // NamespaceMode CONTAINER
	var security request
	if c.o.HostNetwork {
		security = request{}.message(3, request{}.number(1, 2).number(2, container))
	}
	security = security.number(7, 1).number(11, 1) // read-only root, no new privileges
	return request{}.message(1, request{}.text(1, canaryName)).message(2, request{}.text(1, c.o.Image)).texts(3, c.o.Command).
		pair(9, canaryLabel, c.o.Node).message(15, request{}.message(2, security))
}

func (c *Canary) fact(name, where string, at time.Time, took time.Duration, text string) {
	c.o.Tell(record.Entry{Fact: &evidence.Fact{
		Kind: evidence.Host, Source: evidence.FromRuntime, About: evidence.RefTo("Node", "", c.o.Node), At: at.UTC(), Where: where, Name: name,
		Text: cut(text, maxText), Value: took.Seconds(),
	}})
}
