// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// rounds is how often each of two states is measured, in turn.
const rounds = 3

// memory measures what a pod and an update of one cost: the recorder's peak with 10,000, 20,000 and 30,000 pods, its processor
// time for each update and that of the API server with and without it.
func (b *bench) memory(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w, err := newWorld(ctx, b.plane.client, b.nodes)
	if err != nil {
		return err
	}
	var pods, peaks []float64
	for _, n := range []int{b.pods, 2 * b.pods, 3 * b.pods} {
		if err := w.grow(ctx, n); err != nil {
			return err
		}
		peak, err := b.peak(ctx)
		if err != nil {
			return err
		}
		b.note("%d pods: the recorder takes %.1f MiB at most", n, peak/mib)
		pods, peaks = append(pods, float64(n)), append(peaks, peak)
		if n == b.pods {
			if err := b.cost(ctx, w); err != nil {
				return err
			}
		}
	}
	size, _, err := w.size(ctx)
	if err != nil {
		return err
	}
	slope, base := line(pods, peaks)
	b.note("a pod has %.0f bytes in protobuf; 150,000 of them would take %.0f MiB", size, (base+150_000*slope)/mib)
	b.bar("memory for each pod, beside its size", slope/size, 0.25, "times")
	return nil
}

// peak returns the most memory that a recorder takes from its start until it is at rest.
func (b *bench) peak(ctx context.Context) (peak float64, err error) {
	r, err := b.record(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.inStep(ctx); err != nil {
		return 0, err
	}
	pause(ctx, 10*time.Second)
	return r.memory("VmHWM"), ctx.Err()
}

// costs are processor times of some rounds of updates, in seconds.
type costs struct {
	api, apiWith   float64 // of the API server, without and with the recorder
	recorder, late float64 // of the recorder in step, and of one that catches up
	bare, bareLate float64 // of a bare watch likewise
	asked          []string
	updatesOf      int // updates in a round
}

// cost measures updates that tell of no death.
func (b *bench) cost(ctx context.Context, w *world) error {
	c := costs{updatesOf: int(b.rate * 30)}
	beat := func(n int) paced {
		return pace(ctx, b.rate, n, func(i int) error { return w.beat(ctx, w.pods[i*7919%len(w.pods)]) })
	}
	beat(c.updatesOf / 2) // what is slow at first is not measured
	for range rounds {
		if err := b.round(ctx, &c, beat); err != nil {
			return err
		}
	}
	_, one, err := w.size(ctx)
	if err != nil {
		return err
	}
	decoded, n := 1e6*decode(one), float64(rounds*c.updatesOf)/1e6
	b.note("an update takes %.0f µs to decode; the recorder takes %.0f µs when it catches up and %.0f in step, a bare watch %.0f and %.0f",
		decoded, c.late/n, c.recorder/n, c.bareLate/n, c.bare/n)
	b.note("the API server takes %.0f µs with, %.0f without the recorder; asked for meanwhile: %q", c.apiWith/n, c.api/n, strings.Join(c.asked, "; "))
	b.bar("processor time for an update, beside its bare decoding", c.late/n/decoded, 2, "times")
	b.bar("processor time in step, beside that of a bare watch", c.recorder/c.bare, 2, "times")
	b.bar("processor time of the API server, beside that without", c.apiWith/c.api, 1.05, "times")
	return nil
}

// round measures without a recorder, with one in step, with that catching up after it stood still, and with a bare watch.
func (b *bench) round(ctx context.Context, c *costs, beat func(n int) paced) (err error) {
	api := b.plane.api.cpu()
	beat(c.updatesOf)
	c.api += b.plane.api.cpu() - api
	r, err := b.record(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.inStep(ctx); err != nil {
		return err
	}
	since, api, own := time.Now(), b.plane.api.cpu(), r.cpu()
	b.note("%s", beat(c.updatesOf))
	c.apiWith, c.recorder = c.apiWith+b.plane.api.cpu()-api, c.recorder+r.cpu()-own
	asked, err := b.plane.asked(since)
	if err != nil {
		return err
	}
	c.asked = append(c.asked, asked)
	late, err := catchUp(ctx, r.process, func() { beat(c.updatesOf) })
	if err != nil {
		return err
	}
	c.late += late
	return b.bareRound(ctx, c, beat)
}

// bareRound measures a bare watch in step, and catching up.
func (b *bench) bareRound(ctx context.Context, c *costs, beat func(n int) paced) error {
	bare, err := start(b.plane.file("bare.log"), nil, "/proc/self/exe", "-bare", b.plane.file("kubeconfig"))
	if err != nil {
		return err
	}
	pause(ctx, 5*time.Second)
	own := bare.cpu()
	beat(c.updatesOf)
	c.bare += bare.cpu() - own
	late, err := catchUp(ctx, bare, func() { beat(c.updatesOf) })
	c.bareLate += late
	return errors.Join(err, bare.alive(), bare.stop())
}

// catchUp returns the processor time in which a process that was stopped catches up with what happened meanwhile.
func catchUp(ctx context.Context, p *process, meanwhile func()) (float64, error) {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return 0, err
	}
	own := p.cpu()
	meanwhile()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return 0, err
	}
	err := p.inStep(ctx)
	return p.cpu() - own, err
}

// bareWatch watches pods by client-go alone, whole, until the context ends.
func bareWatch(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.DisableCompression = true
	config.ContentType, config.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	list, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	for version := list.ResourceVersion; ctx.Err() == nil; { // who is slow is disconnected
		w, err := client.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{ResourceVersion: version})
		if err != nil {
			return err
		}
		for event := range w.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				return fmt.Errorf("watch: %v", event.Object)
			}
			version = pod.ResourceVersion
		}
		w.Stop()
	}
	return ctx.Err()
}

// decode measures the processor time, in seconds, in which a pod is decoded from protobuf, what is left of it included.
func decode(data []byte) float64 {
	const n = 20_000
	before := ownCPU()
	for range n {
		var p corev1.Pod
		if p.Unmarshal(data) != nil {
			return 0
		}
	}
	return (ownCPU() - before) / n
}

// line fits a line through points by least squares.
func line(x, y []float64) (slope, base float64) {
	n, sx, sy, sxx, sxy := float64(len(x)), 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return slope, (sy - slope*sx) / n
}
