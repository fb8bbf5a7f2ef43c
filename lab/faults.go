// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// faultNamespace is where a fault is made unless a flag says otherwise.
func faultNamespace(f faults.Fault) string { return "fault-" + f.Name }

func (p *program) faultList(_ context.Context, args []string) error {
	if _, err := p.parse(newFlags("fault list"), args); err != nil {
		return err
	}
	all := faults.All()
	slices.SortFunc(all, func(a, b faults.Fault) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range all {
		want := strings.Join(f.Want, " or ")
		if f.Benign() {
			want = "nothing is wrong"
		}
		if _, err := fmt.Fprintf(p.out, "%-22s  %-16s  %s\n", f.Name, want, f.About); err != nil {
			return err
		}
	}
	return nil
}

// onFault is a command on one fault; it works on the cluster of KUBECONFIG, and on the lab without it.
func (p *program) onFault(name string, args []string, do func(faults.Cluster, faults.Fault, *rest.Config) error) error {
	flags := newFlags("fault " + name)
	namespace := flags.String("namespace", "", "where to make it; fault-NAME unless given")
	image := flags.String("image", "", "an image to run instead of the lab's own, on clusters that are not the lab")
	rest, err := p.parse(flags, args, "NAME")
	if err != nil {
		return err
	}
	f, err := faults.Find(rest[0])
	if err != nil {
		return err
	}
	c, config, err := p.target(cmp.Or(*namespace, faultNamespace(f)))
	if err != nil {
		return err
	}
	c.Image = *image
	return do(c, f, config)
}

func (p *program) target(namespace string) (faults.Cluster, *rest.Config, error) {
	file := os.Getenv("KUBECONFIG")
	if file == "" {
		file = p.lab.Kubeconfig()
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return faults.Cluster{}, nil, fmt.Errorf("read kubeconfig %s: %w: bring the lab up with lab up, or set KUBECONFIG", file, err)
	}
	config.UserAgent = "inquest-lab"
	c, err := faults.NewCluster(config, namespace)
	if err != nil {
		return c, nil, err
	}
	c.Lab, err = os.Executable()
	return c, config, err
}

func (p *program) faultApply(ctx context.Context, args []string) error {
	return p.onFault("apply", args, func(c faults.Cluster, f faults.Fault, _ *rest.Config) error {
		if err := faults.Apply(ctx, c, f); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "%s: %s\nask: inquest why %s -n %s\n", f.Name, f.About, f.Ask, c.Namespace)
		return err
	})
}

func (p *program) faultClear(ctx context.Context, args []string) error {
	return p.onFault("clear", args, func(c faults.Cluster, f faults.Fault, _ *rest.Config) error {
		return faults.Clear(ctx, c, f)
	})
}

// record makes a fault, saves what a diagnosis of it would look at as a bundle, and takes it back. In the namespace it
// looks like an incident and not like a test, so the bundle may be shown.
func (p *program) record(ctx context.Context, args []string) error {
	flags := newFlags("record")
	namespace := flags.String("namespace", "shop", "where to make it, and what the bundle will say")
	rest, err := p.parse(flags, args, "NAME", "OUT")
	if err != nil {
		return err
	}
	f, err := faults.Find(rest[0])
	if err != nil {
		return err
	}
	return p.recordOne(ctx, f, *namespace, rest[1])
}

func (p *program) recordOne(ctx context.Context, f faults.Fault, namespace, out string) error {
	c, config, err := p.target(namespace)
	if err != nil {
		return err
	}
	err = faults.Apply(ctx, c, f)
	if err == nil {
		err = save(ctx, config, f, c.Namespace, out)
	}
	return errors.Join(err, faults.Clear(context.WithoutCancel(ctx), c, f))
}

// atOnce is how many faults are recorded at the same time. More would slow two cores down so much that healthy pods
// fail probes.
const atOnce = 12

// recordAll records every fault, each in a namespace of its name: those that disturb nobody together, then the others
// one after the other. It goes on after an error.
func (p *program) recordAll(ctx context.Context, args []string) error {
	rest, err := p.parse(newFlags("record-all"), args, "FOLDER")
	if err != nil {
		return err
	}
	folder := rest[0]
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var mu sync.Mutex
	var errs []error
	one := func(f faults.Fault) {
		start := time.Now()
		err := p.recordOne(ctx, f, f.Name, filepath.Join(folder, f.Name+".txtar"))
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
		fmt.Fprintf(p.out, "%5.1f s  %s\n", time.Since(start).Seconds(), f.Name)
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, f := range faults.All() {
		if f.Alone {
			group.Wait()
			one(f)
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			one(f)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// kinds are those that faults are asked about, by kubectl's short names.
var kinds = map[string]string{
	"pod": "Pod", "deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet", "job": "Job", "cj": "CronJob",
	"pvc": "PersistentVolumeClaim", "node": "Node",
}

func save(ctx context.Context, config *rest.Config, f faults.Fault, namespace, out string) error {
	kind, name, _ := strings.Cut(f.Ask, "/")
	snapshot, err := collect.Cluster{Config: config}.Snapshot(ctx, evidence.Selection{
		Ref: evidence.RefTo(kinds[kind], namespace, name), Namespace: namespace,
	})
	if err != nil {
		return err
	}
	files, err := collect.Files(snapshot)
	if err != nil {
		return err
	}
	return collect.WriteArchive(out, files)
}
