// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/lab/internal/cluster"
)

func (p *program) build(ctx context.Context, args []string) error {
	if _, err := p.parse(newFlags("build"), args); err != nil {
		return err
	}
	if err := p.lock(); err != nil {
		return err
	}
	return p.cache.All(ctx)
}

// upFlags are the choices of `lab up`.
type upFlags struct {
	nodes, disk, memory, kubelet string
	grace, backoff               time.Duration
}

func (p *program) up(ctx context.Context, args []string) error {
	var u upFlags
	flags := newFlags("up")
	flags.StringVar(&u.nodes, "nodes", "n1,n2", "nodes, of n1 to n9")
	flags.StringVar(&u.disk, "node-disk", "", "a disk of their own for nodes, like 1G or n2=1G,n3=512M: to fill it up")
	flags.StringVar(&u.memory, "node-memory", "", "memory of nodes, like 2G or n2=2G: to use it up")
	flags.StringVar(&u.kubelet, "kubelet", "", "JSON object to change KubeletConfiguration with")
	flags.DurationVar(&u.grace, "node-monitor-grace-period", 20*time.Second, "how long a silent node stays ready; Kubernetes' own is 50s")
	flags.DurationVar(&u.backoff, "max-restart-backoff", 5*time.Second, "longest wait in a crash loop; 0 is Kubernetes' own 5m")
	if _, err := p.parse(flags, args); err != nil {
		return err
	}
	options, err := u.options()
	if err != nil {
		return err
	}
	if err := p.lock(); err != nil {
		return err
	}
	if problem := p.lab.Inspect().Problem(); problem != "" {
		return errors.New(problem)
	}
	if err := p.cache.All(ctx); err != nil {
		return err
	}
	return p.lab.Up(ctx, options, p.out)
}

func (u upFlags) options() (cluster.Options, error) {
	o := cluster.Options{NodeMonitorGrace: u.grace}
	for name := range strings.SplitSeq(u.nodes, ",") {
		disk, err := sizeFor(u.disk, name)
		if err != nil {
			return o, err
		}
		memory, err := sizeFor(u.memory, name)
		if err != nil {
			return o, err
		}
		n := cluster.NodeOptions{Name: name, DiskMiB: disk, MemoryMiB: memory, MaxBackoff: u.backoff, Kubelet: u.kubelet}
		if err := n.Validate(); err != nil {
			return o, err
		}
		o.Nodes = append(o.Nodes, n)
	}
	return o, nil
}

// sizeFor reads from "1G" or "n1=1G,n2=512M" what is meant for the node.
func sizeFor(text, node string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		name, size, named := strings.Cut(item, "=")
		if !named {
			return parseSize(item)
		}
		if name == node {
			return parseSize(size)
		}
	}
	return 0, nil
}

// parseSize reads a size in M or G, binary ones, and returns MiB.
func parseSize(text string) (int64, error) {
	number, factor := strings.TrimSuffix(text, "i"), int64(1)
	switch {
	case strings.HasSuffix(number, "G"):
		factor = 1024
	case !strings.HasSuffix(number, "M"):
		number = ""
	}
	n, err := strconv.ParseInt(strings.TrimRight(number, "GM"), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("size %q: expected a number with M or G, like 512M", text)
	}
	return n * factor, nil
}

func (p *program) down(_ context.Context, args []string) error {
	flags := newFlags("down")
	keep := flags.Bool("keep", false, "keep the cluster's state for the next up")
	wipe := flags.Bool("wipe", false, "remove the built programs and images too")
	if _, err := p.parse(flags, args); err != nil {
		return err
	}
	if err := p.lock(); err != nil {
		return err
	}
	if err := p.lab.Down(*keep && !*wipe); err != nil {
		return err
	}
	if *wipe {
		return os.RemoveAll(p.cache.Dir)
	}
	return nil
}

func (p *program) status(ctx context.Context, args []string) error {
	if _, err := p.parse(newFlags("status"), args); err != nil {
		return err
	}
	well, err := p.lab.Status(ctx, p.out)
	if err == nil && !well {
		err = errors.New("not everything is up")
	}
	return err
}

func (p *program) kubeconfig(_ context.Context, args []string) error {
	flags := newFlags("kubeconfig")
	user := flags.String("user", "", "make one for this user, who may do what RBAC allows, instead of the administrator's")
	groups := flags.String("groups", "", "the user's groups, separated by commas")
	expired := flags.Bool("expired", false, "with a certificate that expired an hour ago")
	if _, err := p.parse(flags, args); err != nil {
		return err
	}
	file := p.lab.Kubeconfig()
	if _, err := os.Stat(file); err != nil {
		return errors.New("there is no lab: bring it up with lab up")
	}
	if *user != "" {
		var err error
		if file, err = p.lab.UserKubeconfig(*user, strings.FieldsFunc(*groups, func(r rune) bool { return r == ',' }), *expired, time.Now()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(p.out, file)
	return err
}
