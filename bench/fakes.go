// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	namespace = "inquest-bench"
	nodes     = 10
)

// fakes are nodes that no kubelet runs and pods that are said to run on them, and one pod that really crashes.
type fakes struct {
	client kubernetes.Interface
	options
}

// make creates them. The leases are renewed until ctx ends, so that the nodes stay ready.
func (f *fakes) make(ctx context.Context) error {
	f.remove(ctx)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	err := wait.PollUntilContextTimeout(ctx, time.Second, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := f.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
		return err == nil, nil // the one of an earlier run may still be going
	})
	if err != nil {
		return fmt.Errorf("create namespace %s: %w", namespace, err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := f.client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create the service account: %w", err)
	}
	for i := range nodes {
		if err := f.node(ctx, i); err != nil {
			return err
		}
	}
	go f.beat(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for i := range f.pods {
		group.Go(func() error { return f.pod(ctx, i) })
	}
	return group.Wait()
}

func nodeName(i int) string { return fmt.Sprintf("bench-%d", i) }

func (f *fakes) node(ctx context.Context, i int) error {
	size := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("500"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: "inquest.test/fake", Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{Capacity: size, Allocatable: size, Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}}},
	}
	if _, err := f.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create node %s: %w", node.Name, err)
	}
	return nil
}

// beat renews the leases of the fake nodes.
func (f *fakes) beat(ctx context.Context) {
	for ctx.Err() == nil {
		for i := range nodes {
			f.renew(ctx, nodeName(i))
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

func (f *fakes) renew(ctx context.Context, name string) {
	leases := f.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now, seconds := metav1.NowMicro(), int32(40)
	lease, err := leases.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now,
		}}
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
	} else if err == nil {
		lease.Spec.RenewTime = &now
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "bench: renew lease %s: %v\n", name, err)
	}
}

// pod creates fake pod i, running and ready or in a crash loop.
func (f *fakes) pod(ctx context.Context, i int) error {
	pods := f.client.CoreV1().Pods(namespace)
	made, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("fake-%04d", i), Labels: map[string]string{"app": "fake"}},
		Spec: corev1.PodSpec{
			NodeName: nodeName(i % nodes), Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers: []corev1.Container{{Name: "app", Image: "registry.example/app:v1", Env: []corev1.EnvVar{{Name: "LISTEN", Value: ":8080"}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create a fake pod: %w", err)
	}
	made.Status = status(i < f.broken)
	if _, err := pods.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("set the status of %s: %w", made.Name, err)
	}
	return nil
}

func status(broken bool) corev1.PodStatus {
	now, ready := metav1.Now(), corev1.ConditionTrue
	st := corev1.ContainerStatus{Name: "app", Ready: true, Image: "registry.example/app:v1", State: corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: now},
	}}
	if broken {
		ready = corev1.ConditionFalse
		st.Ready, st.RestartCount = false, 3
		st.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container"}}
		st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", StartedAt: now, FinishedAt: now}
	}
	return corev1.PodStatus{
		Phase: corev1.PodRunning, StartTime: &now, ContainerStatuses: []corev1.ContainerStatus{st},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready, LastTransitionTime: now}},
	}
}

// crashing starts a real pod that ends with an error, and waits until it has been restarted twice.
func (f *fakes) crashing(ctx context.Context) (string, error) {
	const name = "crashing"
	pods := f.client.CoreV1().Pods(namespace)
	_, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "lab.local/app:v1", ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{"/bin/sh", "-c", "echo 'level=error msg=\"cannot open the ledger\"' >&2; sleep 1; exit 3"},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("create pod %s: %w", name, err)
	}
	err = wait.PollUntilContextTimeout(ctx, time.Second, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		pod, err := pods.Get(ctx, name, metav1.GetOptions{})
		if err != nil || len(pod.Status.ContainerStatuses) == 0 {
			return false, err
		}
		st := pod.Status.ContainerStatuses[0]
		return st.RestartCount >= 2, nil
	})
	if err != nil {
		return "", fmt.Errorf("wait for pod %s to restart: %w", name, err)
	}
	return name, nil
}

// remove deletes everything; what does not exist is fine.
func (f *fakes) remove(ctx context.Context) {
	now := int64(0)
	_ = f.client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
	_ = f.client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{})
	for i := range nodes {
		_ = f.client.CoreV1().Nodes().Delete(ctx, nodeName(i), metav1.DeleteOptions{})
	}
}
