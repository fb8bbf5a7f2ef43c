// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// none says that there is nothing to watch.
func none(ref evidence.Ref) string {
	return named(ref) + " wants no pods, so nothing can be proven of it"
}

// held says why a workload does not replace its old pods by itself, and what to do; "" where it does.
func held(o evidence.Object, old []string) string {
	ref := evidence.RefOf(o)
	byHand := func() string {
		pods := strings.Join(old[:min(len(old), 5)], " ")
		if pods == "" || len(old) > 5 {
			pods = "each of them"
		}
		return fmt.Sprintf("%s replaces no pod by itself, as its strategy is OnDelete: delete those of the old revision (kubectl -n %s delete pod, %s), then watch", named(ref), ref.Namespace, pods)
	}
	switch o := o.(type) {
	case *appsv1.Deployment:
		if o.Spec.Paused {
			return fmt.Sprintf("%s is paused, so that its rollout stands still: let it go on (kubectl -n %s rollout resume %s), then watch", named(ref), ref.Namespace, ref)
		}
	case *appsv1.StatefulSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
			return byHand()
		}
		if r := o.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil && *r.Partition > 0 {
			kept, all := min(*r.Partition, wanted(o.Spec.Replicas)), wanted(o.Spec.Replicas)
			return fmt.Sprintf("%s keeps %d of %d pods at the old revision, as spec.updateStrategy.rollingUpdate.partition is %d: set it to 0, then watch", named(ref), kept, all, *r.Partition)
		}
	case *appsv1.DaemonSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			return byHand()
		}
	}
	return ""
}

// unrolled is how many pods of a Deployment are of another revision than is wanted: a paused one makes no ReplicaSet that would tell.
func unrolled(o evidence.Object) int {
	d, ok := o.(*appsv1.Deployment)
	if !ok || d.Status.ObservedGeneration < d.Generation {
		return 0
	}
	return int(d.Status.Replicas - d.Status.UpdatedReplicas)
}

// foreseen is what will be seen of the watched thing when a plan has changed it.
func (w *Watch) foreseen(plan *Plan, now sight) (sight, error) {
	if now.bare {
		return now, nil
	}
	was, err := typed(plan.Live)
	if err != nil {
		return sight{}, err
	}
	o, err := typed(plan.Would)
	if err != nil {
		return sight{}, err
	}
	if now.runs {
		return runOf(o), nil
	}
	before, _ := workload(was)
	template, want := workload(o)
	s := sight{rolls: true, probing: probing(probed(&template.Spec)), beside: now.beside}
	rolls := now.old > 0 || !equality.Semantic.DeepEqual(before, template)
	switch {
	case want == 0:
		s.reason = none(w.Subject)
	case rolls:
		s.reason = held(o, nil)
	}
	s.hopeless = s.reason != ""
	return s, nil
}

// undone says who has changed again what an act has set, and where; "" where it stands.
func (w *Watch) undone(ctx context.Context) (string, error) {
	if w.Act == nil || len(w.Act.Undo.Patch) == 0 {
		return "", nil
	}
	ref, live := w.Act.Object.Ref(), w.object
	if ref != w.Subject || live == nil {
		var err error
		live, err = w.Cluster.of(ref).Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return fmt.Sprintf("%s, which act %s has changed, was deleted", named(ref), w.Act.ID), nil
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", named(ref), err)
		}
	}
	path, back := strays(live.Object, w.Act.Undo.Patch)
	if path == "" || path == "/spec/replicas" && !back { // an autoscaler may go on from there
		return "", nil
	}
	by, did := writerOf(live, path), "changed it again"
	if by == "" {
		by = "somebody"
	}
	if back {
		did = "set it back"
	}
	return fmt.Sprintf("%s %s: %s of %s is not so any more as act %s has set it", by, did, path, named(ref), w.Act.ID), nil
}
