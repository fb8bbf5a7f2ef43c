// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeinquest/inquest/e2e/faults"
)

// established is how long things may take to become what a test needs, on two cores that many pods share.
const established = 3 * time.Minute

// place makes a namespace with what a manifest of testdata holds. Both go when the test ends.
func place(t *testing.T, namespace string, manifests ...string) faults.Cluster {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := faults.NewCluster(config, namespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.CoreV1().Namespaces().Delete(context.Background(), namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	until(t, "namespace "+namespace+" is there", func(ctx context.Context) (bool, error) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		_, err := c.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) { // that of an earlier run is on its way out
			return false, nil
		}
		return err == nil, err
	})
	until(t, "its service account is there", func(ctx context.Context) (bool, error) {
		_, err := c.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	for _, m := range manifests {
		apply(t, c, filepath.Join("testdata", m))
	}
	return c
}

func apply(t *testing.T, c faults.Cluster, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	docs := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		o := &unstructured.Unstructured{}
		err := docs.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
		if _, err := c.Objects.Resource(resource).Namespace(c.Namespace).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatalf("create %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
}

// until waits for a check to hold.
func until(t *testing.T, what string, holds func(context.Context) (bool, error)) {
	if err := wait.PollUntilContextTimeout(t.Context(), time.Second, established, true, holds); err != nil {
		t.Fatalf("wait until %s: %v", what, err)
	}
}

// died waits until a container of a pod with that label has ended at least n times, and returns the pod.
func died(t *testing.T, c faults.Cluster, app string, n int32) corev1.Pod {
	var found corev1.Pod
	until(t, app+" has died", func(ctx context.Context) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + app})
		if err != nil {
			return false, err
		}
		for i := range list.Items {
			for _, st := range list.Items[i].Status.ContainerStatuses {
				if st.RestartCount >= n || n <= 1 && st.State.Terminated != nil {
					found = list.Items[i]
					return true, nil
				}
			}
		}
		return false, nil
	})
	return found
}

// user returns the kubeconfig of a person with certain rights in the whole cluster; without rules, with none.
func user(t *testing.T, c faults.Cluster, name string, rules ...rbacv1.PolicyRule) string {
	if len(rules) > 0 {
		grant(t, c, name, rules)
	}
	return labKubeconfig(t, "--user", name)
}

func labKubeconfig(t *testing.T, flags ...string) string {
	cmd := exec.CommandContext(t.Context(), lab, append([]string{"kubeconfig"}, flags...)...)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("lab kubeconfig: %v: %s", err, notes.String())
	}
	return strings.TrimSpace(string(out))
}

func grant(t *testing.T, c faults.Cluster, name string, rules []rbacv1.PolicyRule) {
	named := metav1.ObjectMeta{Name: name}
	role := &rbacv1.ClusterRole{ObjectMeta: named, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: named,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}
	ungrant := func(ctx context.Context) {
		for _, err := range []error{
			c.RbacV1().ClusterRoles().Delete(ctx, name, metav1.DeleteOptions{}),
			c.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{}),
		} {
			if err != nil && !apierrors.IsNotFound(err) {
				t.Error(err)
			}
		}
	}
	ungrant(t.Context()) // what a run that was cut off has left
	t.Cleanup(func() { ungrant(context.Background()) })
	if _, err := c.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// The limits that hold whatever is asked of whom. The answer is promised within ten seconds; the rest is for cores that
// are busy with pods.
const (
	answered  = 15 * time.Second
	mostBytes = 256 << 20
)

// An answer is what a run of the program left.
type answer struct {
	status     int
	out, notes string
}

// ask runs the program as somebody and checks what holds for every answer: it is there in time, within bounded memory,
// and an error is one line on standard error, where why writes nothing otherwise.
func ask(t *testing.T, kubeconfig string, args ...string) answer {
	ctx, cancel := context.WithTimeout(t.Context(), answered)
	defer cancel()
	cmd := exec.CommandContext(ctx, inquest, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	if kubeconfig != "" {
		cmd.Env = append(cmd.Env, "KUBECONFIG="+kubeconfig)
	}
	var out, notes bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &notes
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	a := answer{status: cmd.ProcessState.ExitCode(), out: out.String(), notes: notes.String()}
	oneError := strings.HasPrefix(a.notes, "error: ") && strings.Index(a.notes, "\n") == len(a.notes)-1
	switch {
	case ctx.Err() != nil:
		t.Errorf("inquest %s: no answer within %s", strings.Join(args, " "), answered)
	case !slices.Contains([]int{0, 1}, a.status), a.status == 1 && (!oneError || a.out != ""), a.status == 0 && a.notes != "" && args[0] == "why":
		t.Errorf("inquest %s: exit status %d, standard error %q", strings.Join(args, " "), a.status, a.notes)
	}
	if used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); !ok || used.Maxrss<<10 > mostBytes { // in KiB, getrusage(2)
		t.Errorf("inquest %s: it took more than %d MiB of memory", strings.Join(args, " "), mostBytes>>20)
	}
	return a
}
