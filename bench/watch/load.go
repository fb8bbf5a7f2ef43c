// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// writers is how many requests are made at a time.
const writers = 12

// A run is one run of a container, as this program and the history both name it.
type run struct {
	pod       types.UID
	container string
	number    int // from 0
}

// A world is the pods that this program plays the kubelets of.
type world struct {
	client kubernetes.Interface
	nodes  int
	pods   []*pod

	mu    sync.Mutex
	acked map[run]time.Time // when the API server acknowledged the status that told of the end
}

// A pod is one of them, as it was written last.
type pod struct {
	mu     sync.Mutex
	number int
	name   string
	uid    types.UID
	status corev1.PodStatus
}

// newWorld makes nodes, and the leases that they renew until the context ends.
func newWorld(ctx context.Context, client kubernetes.Interface, nodes int) (*world, error) {
	w := &world{client: client, nodes: nodes, acked: map[run]time.Time{}}
	for i := range namespaces {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(i * replicas)}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
	}
	leases := make([]*coordinationv1.Lease, nodes)
	err := each(ctx, nodes, func(i int) error {
		n := nodeOf(i)
		made, err := client.CoreV1().Nodes().Create(ctx, n, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		made.Status = n.Status
		if _, err := client.CoreV1().Nodes().UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
			return err
		}
		name, seconds := n.Name, int32(40)
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds}}
		leases[i], err = client.CoordinationV1().Leases("kube-node-lease").Create(ctx, lease, metav1.CreateOptions{})
		return err
	})
	if err == nil {
		go w.renew(ctx, leases)
	}
	return w, err
}

// renew renews each lease each ten seconds, as kubelets do.
func (w *world) renew(ctx context.Context, leases []*coordinationv1.Lease) {
	pace(ctx, float64(len(leases))/10, -1, func(i int) error {
		l := leases[i%len(leases)]
		now := metav1.NowMicro()
		l.Spec.RenewTime = &now
		renewed, err := w.client.CoordinationV1().Leases("kube-node-lease").Update(ctx, l, metav1.UpdateOptions{})
		if err == nil {
			leases[i%len(leases)] = renewed
		}
		return nil // the next is in ten seconds
	})
}

// grow makes pods until there are n of them.
func (w *world) grow(ctx context.Context, n int) error {
	first := len(w.pods)
	w.pods = append(w.pods, make([]*pod, n-first)...)
	return each(ctx, n-first, func(i int) error {
		p, err := w.create(ctx, first+i)
		w.pods[first+i] = p
		return err
	})
}

func (w *world) create(ctx context.Context, i int) (*pod, error) {
	spec := podOf(i, w.nodes)
	api := w.client.CoreV1().Pods(spec.Namespace)
	made, err := api.Create(ctx, spec, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	p := &pod{number: i, name: made.Name, uid: made.UID, status: statusOf(i, time.Now())}
	made.Status = p.status
	_, err = api.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return p, err
}

// replace deletes a pod, and makes one of the same name.
func (w *world) replace(ctx context.Context, p *pod) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var now int64
	api := w.client.CoreV1().Pods(namespaceOf(p.number))
	if err := api.Delete(ctx, p.name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	fresh, err := w.create(ctx, p.number)
	if err == nil {
		p.uid, p.status = fresh.uid, fresh.status
	}
	return err
}

// beat writes a status with no news of a death: the time of a probe.
func (w *world) beat(ctx context.Context, p *pod) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	type condition struct {
		Type          corev1.PodConditionType `json:"type"`
		LastProbeTime metav1.Time             `json:"lastProbeTime"`
	}
	return w.patch(ctx, p, map[string]any{"conditions": []condition{{corev1.ContainersReady, metav1.Now()}}})
}

// die writes a status that tells of the end of a run, and notes when it was acknowledged.
func (w *world) die(ctx context.Context, p *pod, how int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := &p.status.ContainerStatuses[0]
	of := run{p.uid, st.Name, int(st.RestartCount)}
	end(st, p.number, 0, endings[how%len(endings)], time.Now())
	err := w.patch(ctx, p, map[string]any{"containerStatuses": p.status.ContainerStatuses})
	if err == nil {
		w.mu.Lock()
		w.acked[of] = time.Now()
		w.mu.Unlock()
	}
	return err
}

func (w *world) patch(ctx context.Context, p *pod, status map[string]any) error {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.uid}, "status": status})
	if err != nil {
		return err
	}
	_, err = w.client.CoreV1().Pods(namespaceOf(p.number)).Patch(ctx, p.name, types.StrategicMergePatchType, data, metav1.PatchOptions{}, "status")
	return err
}

// size returns the mean size of a pod in protobuf, and one of them.
func (w *world) size(ctx context.Context) (mean float64, one []byte, err error) {
	n := 0
	for i := 0; i < len(w.pods); i += max(1, len(w.pods)/500) {
		p := w.pods[i]
		o, err := w.client.CoreV1().Pods(namespaceOf(p.number)).Get(ctx, p.name, metav1.GetOptions{})
		if err != nil {
			return 0, nil, err
		}
		if one, err = o.Marshal(); err != nil {
			return 0, nil, err
		}
		mean += float64(len(one))
		n++
	}
	return mean / float64(n), one, nil
}

// each does something for each number below n, some at a time.
func each(ctx context.Context, n int, do func(i int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make([]error, writers)
	for worker := range writers {
		group.Go(func() {
			for ctx.Err() == nil && failed[worker] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				failed[worker] = do(i)
			}
		})
	}
	group.Wait()
	return errors.Join(errors.Join(failed...), ctx.Err())
}

// A paced load is what was done of it.
type paced struct {
	done, failed int
	late         time.Duration // how far behind the pace it was in the end
	first        error
}

func (p paced) String() string {
	text := fmt.Sprintf("%d written, %d failed, %s behind in the end", p.done, p.failed, p.late.Round(time.Millisecond))
	if p.first != nil {
		text += ": " + p.first.Error()
	}
	return text
}

// pace does something at a rate in a second, n times or, where that is negative, until the context ends. What is slow does not
// slow the others down.
func pace(ctx context.Context, rate float64, n int, do func(i int) error) paced {
	began := time.Now()
	due := func(i int) time.Time { return began.Add(time.Duration(float64(i) / rate * float64(time.Second))) }
	var mu sync.Mutex
	var p paced
	one := func(i int) {
		err := do(i)
		mu.Lock()
		defer mu.Unlock()
		if p.done++; err != nil && ctx.Err() == nil {
			p.failed++
			if p.first == nil {
				p.first = err
			}
		}
		p.late = time.Since(due(i))
	}
	work := make(chan int, 1<<16)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for i := range work {
				one(i)
			}
		})
	}
	for i := 0; i != n && ctx.Err() == nil; i++ {
		pause(ctx, time.Until(due(i)))
		work <- i
	}
	close(work)
	group.Wait()
	return p
}
