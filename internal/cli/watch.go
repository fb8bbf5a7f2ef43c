// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// watchAgain is the pause before a watch that broke off is begun anew.
const watchAgain = 2 * time.Second

// A deathWatch tells which deaths of a pod, or of one container of it, are new.
type deathWatch struct {
	container string // "": all
	uid       types.UID
	seen      map[evidence.Ref]bool
}

// fresh tells whether the pod shows a death that no earlier call has seen. A new pod of the same name, as a
// StatefulSet makes it, begins anew.
func (d *deathWatch) fresh(pod *corev1.Pod) bool {
	if d.uid != pod.UID {
		d.uid, d.seen = pod.UID, map[evidence.Ref]bool{}
	}
	s := (&evidence.Snapshot{Objects: []evidence.Object{pod}}).Freeze()
	found := false
	for _, a := range s.Deaths(evidence.RefOf(pod)) {
		if d.container == "" || d.container == a.Of.Container {
			found = found || !d.seen[a.Of]
			d.seen[a.Of] = true
		}
	}
	return found
}

// begin notes the deaths that the pod shows already.
func (d *deathWatch) begin(ctx context.Context, client rest.Interface, pod evidence.Ref) {
	var p corev1.Pod
	if client.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).Do(ctx).Into(&p) == nil {
		d.fresh(&p)
	}
}

// follow calls report for every death of the pod that is new until the context ends or report fails. A watch that breaks
// off, as the API server makes each do after some minutes, is begun again.
func (d *deathWatch) follow(ctx context.Context, client rest.Interface, pod evidence.Ref, report func() error) error {
	for {
		err := followOnce(ctx, client, pod, func(p *corev1.Pod) error {
			if d.fresh(p) {
				return report()
			}
			return nil
		})
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchAgain):
		}
	}
}

// followOnce calls see for every state of the pod until the watch breaks off.
func followOnce(ctx context.Context, client rest.Interface, pod evidence.Ref, see func(*corev1.Pod) error) error {
	options := &metav1.ListOptions{FieldSelector: "metadata.name=" + pod.Name, Watch: true}
	w, err := client.Get().Namespace(pod.Namespace).Resource("pods").VersionedParams(options, scheme.ParameterCodec).Watch(ctx)
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("forbidden: cannot watch pods in namespace %s: leave out --watch", pod.Namespace)
	}
	if err != nil {
		return nil // the server may come back
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		p, ok := event.Object.(*corev1.Pod)
		if !ok || event.Type == watch.Error {
			return nil
		}
		if event.Type == watch.Deleted {
			continue
		}
		if err := see(p); err != nil {
			return err
		}
	}
	return nil
}

// onePod returns the pod that --watch is for.
func onePod(selections []evidence.Selection) (evidence.Ref, error) {
	if len(selections) != 1 || selections[0].Ref.Kind != "Pod" {
		return evidence.Ref{}, errors.New("--watch follows one pod: name it")
	}
	return selections[0].Ref, nil
}
