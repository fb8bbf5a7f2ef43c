// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// lab runs the lab's program. The word NAMESPACE in an argument stands for the fault's namespace.
func lab(args ...string) Action {
	return func(ctx context.Context, c Cluster) error {
		if c.Lab == "" {
			return errors.New("it acts on the lab's nodes: give the lab's program")
		}
		var argv []string
		for _, a := range args {
			argv = append(argv, strings.ReplaceAll(a, "NAMESPACE", c.Namespace))
		}
		out, err := exec.CommandContext(ctx, c.Lab, argv...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("lab %s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
		}
		return nil
	}
}

// inTurn does one action after the other.
func inTurn(actions ...Action) Action {
	return func(ctx context.Context, c Cluster) error {
		for _, act := range actions {
			if err := act(ctx, c); err != nil {
				return err
			}
		}
		return nil
	}
}

// await does nothing until the check holds.
func await(check Check) Action {
	return func(ctx context.Context, c Cluster) error { return until(ctx, c, check, defaultLimit) }
}

// deletePod deletes the namespace's only pod and leaves the rest to the kubelet.
func deletePod(ctx context.Context, c Cluster) error {
	list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		if err := c.CoreV1().Pods(c.Namespace).Delete(ctx, list.Items[i].Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// patchDeployment changes a deployment by a merge patch.
func patchDeployment(name, patch string) Action {
	return func(ctx context.Context, c Cluster) error {
		_, err := c.AppsV1().Deployments(c.Namespace).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
}

// reserved is the key of the taint, and cordoned the annotation, by which the faults know their own doing again.
const (
	reserved = "kubeinquest.io/reserved"
	cordoned = "kubeinquest.io/cordoned"
)

// taintNodes sets the fault's taint on every node, or takes it off.
func taintNodes(set bool) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.eachNode(ctx, func(n *corev1.Node) {
			n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == reserved })
			if set {
				taint := corev1.Taint{Key: reserved, Value: "batch", Effect: corev1.TaintEffectNoSchedule}
				n.Spec.Taints = append(n.Spec.Taints, taint)
			}
		})
	}
}

// eachNode changes every node, again where somebody else did so at the same time.
func (c Cluster) eachNode(ctx context.Context, change func(*corev1.Node)) error {
	list, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			n, err := c.CoreV1().Nodes().Get(ctx, list.Items[i].Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			change(n)
			_, err = c.CoreV1().Nodes().Update(ctx, n, metav1.UpdateOptions{})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// drain does to the namespace's pods what kubectl drain does to a node's: it cordons the node of the first one and
// evicts those of the namespace that run there.
func drain(ctx context.Context, c Cluster) error {
	list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) == 0 {
		return err
	}
	node := list.Items[0].Spec.NodeName
	err = c.eachNode(ctx, func(n *corev1.Node) {
		if n.Name == node && !n.Spec.Unschedulable {
			metav1.SetMetaDataAnnotation(&n.ObjectMeta, cordoned, "true")
			n.Spec.Unschedulable = true
		}
	})
	if err != nil {
		return err
	}
	for i := range list.Items {
		p := &list.Items[i]
		if p.Spec.NodeName != node {
			continue
		}
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}}
		if err := c.PolicyV1().Evictions(c.Namespace).Evict(ctx, eviction); err != nil {
			return err
		}
	}
	return nil
}

// uncordon opens the nodes that drain closed.
func uncordon(ctx context.Context, c Cluster) error {
	return c.eachNode(ctx, func(n *corev1.Node) {
		if _, ours := n.Annotations[cordoned]; ours {
			delete(n.Annotations, cordoned)
			n.Spec.Unschedulable = false
		}
	})
}
