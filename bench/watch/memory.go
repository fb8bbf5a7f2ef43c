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
	apiwatch "k8s.io/apimachinery/pkg/watch"
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
	if err := (&stage{recorder: r}).inStep(ctx); err != nil {
		return 0, err
	}
	pause(ctx, 10*time.Second)
	return r.memory("VmHWM"), ctx.Err()
}

// costs are processor times of some rounds of updates, in seconds.
type costs struct {
	api, apiWith         float64 // of the API server, without and with the recorder
	recorder, late, bare float64 // of the recorder in step, of one that catches up, and of a bare watch in step
	asked                []string
	updatesOf            int // updates in a round
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
	b.note("an update takes %.0f µs to decode; the recorder takes %.0f µs when it catches up and %.0f in step, where a bare watch takes %.0f",
		decoded, c.late/n, c.recorder/n, c.bare/n)
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
	s := &stage{recorder: r}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := s.inStep(ctx); err != nil {
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
	if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	own = r.cpu()
	beat(c.updatesOf)
	if err := r.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	if err := s.inStep(ctx); err != nil {
		return err
	}
	c.late += r.cpu() - own
	bare, err := start(b.plane.file("bare.log"), nil, "/proc/self/exe", "-bare", b.plane.file("kubeconfig"))
	if err != nil {
		return err
	}
	pause(ctx, 5*time.Second)
	own = bare.cpu()
	beat(c.updatesOf)
	c.bare += bare.cpu() - own
	return errors.Join(bare.alive(), bare.stop())
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
	w, err := client.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		if event.Type == apiwatch.Error {
			return fmt.Errorf("watch: %v", event.Object)
		}
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
