// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// A truth is a ledger of what ended, by a bare watch of client-go.
type truth struct {
	client kubernetes.Interface

	mu       sync.Mutex
	restarts map[types.UID]map[string]int
	ended    map[run]time.Time // when the watch brought it
	updates  int64
	failed   error
}

// newTruth lists the pods and watches them until the context ends.
func newTruth(ctx context.Context, client kubernetes.Interface) (*truth, error) {
	t := &truth{client: client, restarts: map[types.UID]map[string]int{}, ended: map[run]time.Time{}}
	options := metav1.ListOptions{Limit: 500}
	for {
		list, err := client.CoreV1().Pods("").List(ctx, options)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			t.see(&list.Items[i], time.Now(), true)
		}
		if options.Continue = list.Continue; options.Continue == "" {
			go t.watch(ctx, list.ResourceVersion)
			return t, nil
		}
	}
}

// watch follows the pods from a version. A watch that cannot go on spoils the measurement, and says so.
func (t *truth) watch(ctx context.Context, version string) {
	for ctx.Err() == nil {
		w, err := t.client.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true})
		if err == nil {
			version, err = t.read(w, version)
			w.Stop()
		}
		if err != nil && ctx.Err() == nil {
			t.mu.Lock()
			t.failed = errors.Join(t.failed, fmt.Errorf("the watch to compare with: %w", err))
			t.mu.Unlock()
			return
		}
	}
}

func (t *truth) read(w apiwatch.Interface, version string) (string, error) {
	for event := range w.ResultChan() {
		now := time.Now()
		o, ok := event.Object.(*corev1.Pod)
		if !ok {
			return version, fmt.Errorf("%s %v", event.Type, event.Object)
		}
		version = o.ResourceVersion
		if event.Type != apiwatch.Bookmark {
			t.see(o, now, false)
		}
	}
	return version, nil
}

// see notes the runs that ended since the pod was last seen; what had ended at first is no news.
func (t *truth) see(o *corev1.Pod, now time.Time, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.restarts[o.UID]
	if known == nil {
		known = map[string]int{}
		t.restarts[o.UID] = known
	}
	t.updates++
	for i := range o.Status.ContainerStatuses {
		st := &o.Status.ContainerStatuses[i]
		for n := known[st.Name]; n < int(st.RestartCount) && !first; n++ {
			t.ended[run{o.UID, st.Name, n}] = now
		}
		known[st.Name] = int(st.RestartCount)
	}
}

// deaths returns what ended, and when the watch brought it.
func (t *truth) deaths() (map[run]time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.ended), t.failed
}
