// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Apply makes the fault in the cluster's namespace, which it creates, and returns when the fault is established.
func Apply(ctx context.Context, c Cluster, f Fault) error {
	if err := begin(ctx, c, f); err != nil {
		return fmt.Errorf("fault %s: %w", f.Name, err)
	}
	if f.Act != nil {
		if err := until(ctx, c, f.Ready, f.limit()); err != nil {
			return fmt.Errorf("fault %s: wait until it can begin: %w", f.Name, err)
		}
		if err := f.Act(ctx, c); err != nil {
			return fmt.Errorf("fault %s: %w", f.Name, err)
		}
	}
	if err := until(ctx, c, f.So, f.limit()); err != nil {
		return fmt.Errorf("fault %s: wait until it is established: %w", f.Name, err)
	}
	return nil
}

// begin creates the namespace and what the manifest holds.
func begin(ctx context.Context, c Cluster, f Fault) error {
	if err := until(ctx, c, all(namespace, serviceAccount), defaultLimit); err != nil {
		return fmt.Errorf("create namespace %s: %w", c.Namespace, err)
	}
	if f.Prepare != nil {
		if err := f.Prepare(ctx, c); err != nil {
			return err
		}
	}
	manifest, err := f.Manifest()
	if err != nil {
		return err
	}
	if c.Mendable {
		manifest = modest.Replace(manifest)
	}
	if c.Image != "" {
		manifest = strings.ReplaceAll(manifest, "lab.local/app:v1", c.Image)
	}
	return c.eachObject(manifest, func(object *unstructured.Unstructured) error {
		if c.Mendable {
			object = managed(object)
		}
		return c.create(ctx, object)
	})
}

// eachObject calls do for every object of a manifest. The word NAMESPACE in it stands for the fault's namespace.
func (c Cluster) eachObject(manifest string, do func(*unstructured.Unstructured) error) error {
	docs := yaml.NewYAMLOrJSONDecoder(strings.NewReader(strings.ReplaceAll(manifest, "NAMESPACE", c.Namespace)), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := docs.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the manifest: %w", err)
		}
		if err := do(object); err != nil {
			return err
		}
	}
}

// modest makes of programs that leak some that want more than they are given, and no more than that: a leak is mended in
// the program alone.
var modest = strings.NewReplacer("args: [oom]", `args: [oom, "-max-mib=100"]`, "/app oom -every=5ms", "/app oom -every=5ms -max-mib=100")

// managed returns a Deployment of one pod for a pod that runs for ever, and anything else as it is.
func managed(pod *unstructured.Unstructured) *unstructured.Unstructured {
	policy, set, _ := unstructured.NestedString(pod.Object, "spec", "restartPolicy")
	if pod.GetKind() != "Pod" || set && policy != "Always" {
		return pod
	}
	name, labels := pod.GetName(), pod.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["fault"] = name
	meta := &unstructured.Unstructured{Object: map[string]any{}}
	meta.SetLabels(labels)
	meta.SetAnnotations(pod.GetAnnotations())
	meta.SetFinalizers(pod.GetFinalizers())
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"replicas": int64(1), "selector": map[string]any{"matchLabels": map[string]any{"fault": name}},
			"template": map[string]any{"metadata": meta.Object["metadata"], "spec": pod.Object["spec"]},
		},
	}}
}

func (c Cluster) create(ctx context.Context, object *unstructured.Unstructured) error {
	resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	_, err := c.Objects.Resource(resource).Namespace(c.Namespace).Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create %s %s: %w", strings.ToLower(object.GetKind()), object.GetName(), err)
	}
	return nil
}

// made marks the namespaces of faults, so that no other is ever deleted.
const made = "kubeinquest.io/fault"

// namespace creates the namespace, once an earlier one of that name is gone, and holds when it is there.
func namespace(ctx context.Context, c Cluster) (bool, error) {
	ns, err := c.CoreV1().Namespaces().Get(ctx, c.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		ns = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace, Labels: map[string]string{made: "true"}}}
		ns, err = c.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	}
	if err != nil {
		return false, err
	}
	if ns.Labels[made] == "" {
		return false, fmt.Errorf("namespace %s is there already and is not a fault's: give another", c.Namespace)
	}
	return ns.DeletionTimestamp == nil, nil
}

// serviceAccount: without it no pod is admitted to a namespace.
func serviceAccount(ctx context.Context, c Cluster) (bool, error) {
	_, err := c.CoreV1().ServiceAccounts(c.Namespace).Get(ctx, "default", metav1.GetOptions{})
	return err == nil, ignoreMissing(err)
}

// Clear undoes the fault, node and all, and deletes its namespace if a fault made it. It does not wait for the
// namespace to be gone.
func Clear(ctx context.Context, c Cluster, f Fault) error {
	var errs []error
	if f.Undo != nil {
		errs = append(errs, f.Undo(ctx, c))
	}
	ns, err := c.CoreV1().Namespaces().Get(ctx, c.Namespace, metav1.GetOptions{})
	if err == nil && ns.Labels[made] != "" {
		errs = append(errs, release(ctx, c))
		err = c.CoreV1().Namespaces().Delete(ctx, c.Namespace, metav1.DeleteOptions{})
	}
	if err := errors.Join(append(errs, ignoreMissing(err))...); err != nil {
		return fmt.Errorf("clear fault %s: %w", f.Name, err)
	}
	return nil
}

// release takes the finalizers off the namespace's pods and ends them with a grace period of one second, also those
// that are being deleted with a longer one, so that nothing keeps the namespace.
func release(ctx context.Context, c Cluster) error {
	pods := c.CoreV1().Pods(c.Namespace)
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var errs []error
	for i := range list.Items {
		if len(list.Items[i].Finalizers) == 0 {
			continue
		}
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		_, err := pods.Patch(ctx, list.Items[i].Name, types.MergePatchType, patch, metav1.PatchOptions{})
		errs = append(errs, ignoreMissing(err))
	}
	soon := int64(1)
	errs = append(errs, pods.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &soon}, metav1.ListOptions{}))
	return errors.Join(errs...)
}

func ignoreMissing(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// pollEvery is often enough to catch states that last some seconds, and seldom enough for fifty faults at once.
const pollEvery = time.Second

// until polls a check. Its error says what the pods did instead.
func until(ctx context.Context, c Cluster, check Check, limit time.Duration) error {
	if check == nil {
		return nil
	}
	err := wait.PollUntilContextTimeout(ctx, pollEvery, limit, true, func(ctx context.Context) (bool, error) {
		return check(ctx, c)
	})
	if err != nil {
		return fmt.Errorf("%w after %s: %s", err, limit, c.describe(context.WithoutCancel(ctx)))
	}
	return nil
}

// describe tells in one line how the pods of the namespace are.
func (c Cluster) describe(ctx context.Context) string {
	pods, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	var lines []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		said := []string{fmt.Sprintf("pod/%s is %s %s", pod.Name, pod.Status.Phase, pod.Status.Reason)}
		for _, st := range statuses(pod) {
			said = append(said, fmt.Sprintf("%s restarted %d times, state %s, before %s", st.Name, st.RestartCount,
				st.State.String(), st.LastTerminationState.String()))
		}
		lines = append(lines, strings.Join(said, ", "))
	}
	return strings.Join(lines, "; ")
}
