// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// crashed returns a pod whose container ended n times, each time with exit code 1.
func crashed(n int32) *corev1.Pod {
	end := metav1.NewTime(time.Date(2026, 8, 24, 10, 0, int(n), 0, time.UTC))
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "web-0", Namespace: "shop", UID: "1"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "web:1"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", RestartCount: n,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: end}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: 1, Reason: "Error", StartedAt: end, FinishedAt: end,
			}},
		}}},
	}
}

func TestDeathWatch(t *testing.T) {
	d := &deathWatch{container: "app"}
	other := crashed(3)
	other.Status.ContainerStatuses[0].Name = "side"
	reborn := crashed(1)
	reborn.UID = types.UID("2")
	for i, c := range []struct {
		pod  *corev1.Pod
		want bool
	}{
		{crashed(1), true}, {crashed(1), false}, {crashed(2), true}, {crashed(2), false}, {other, false}, {reborn, true},
	} {
		if got := d.fresh(c.pod); got != c.want {
			t.Errorf("step %d: fresh is %v, want %v", i, got, c.want)
		}
	}
}

func TestOnePod(t *testing.T) {
	pod := evidence.Selection{Ref: evidence.RefTo("Pod", "shop", "web-0")}
	for _, list := range [][]evidence.Selection{{}, {pod, pod}, {{Ref: evidence.RefTo("Node", "", "n1")}}} {
		if _, err := onePod(list); err == nil {
			t.Errorf("%v is taken for one pod", list)
		}
	}
}

// apiServer serves one pod, whose watch gives the states that come from the channel. Everything else is forbidden.
func apiServer(t *testing.T, pod *corev1.Pod, states <-chan *corev1.Pod) (kubeconfig string) {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusForbidden, metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: 403,
		})
	})
	mux.HandleFunc("GET /api/v1/namespaces/shop/pods/web-0", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, pod)
	})
	mux.HandleFunc("GET /api/v1/namespaces/shop/pods", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for {
			select {
			case <-r.Context().Done():
				return
			case p := <-states:
				if err := json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": p}); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: %q}}]\n"+
		"contexts: [{name: a, context: {cluster: a, user: a, namespace: shop}}]\ncurrent-context: a\nusers: [{name: a, user: {}}]\n", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// TestWatch follows a pod through a death and an interrupt.
func TestWatch(t *testing.T) {
	states := make(chan *corev1.Pod)
	kubeconfig := apiServer(t, crashed(1), states)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, in := io.Pipe()
	status := make(chan int, 1)
	var stderr strings.Builder
	go func() {
		status <- Main(ctx, []string{"why", "web-0", "-w", "-o", "yaml", "--kubeconfig", kubeconfig}, nil, in, &stderr)
		in.Close()
	}()
	reports := bufio.NewScanner(out)
	next := func(line string) {
		t.Helper()
		for reports.Scan() {
			if reports.Text() == line {
				return
			}
		}
		t.Fatalf("the output ends before %q: %s", line, stderr.String())
	}
	next("kind: Report")
	go func() {
		states <- crashed(1) // nothing new
		states <- crashed(2)
	}()
	next("---")
	next("kind: Report")
	go func() { _, _ = io.Copy(io.Discard, out) }()
	interrupt()
	if got := <-status; got != statusInterrupted {
		t.Errorf("exit status after an interrupt is %d, want %d: %s", got, statusInterrupted, stderr.String())
	}
	if strings.Contains(stderr.String(), "error") {
		t.Errorf("an interrupt is called an error: %s", stderr.String())
	}
}

// TestCluster checks that a pod in a cluster is diagnosed, and that what was forbidden is said.
func TestCluster(t *testing.T) {
	kubeconfig := apiServer(t, crashed(1), nil)
	var stdout, stderr strings.Builder
	status := Main(t.Context(), []string{"why", "web-0", "--kubeconfig", kubeconfig, "--exit-code"}, nil, &stdout, &stderr)
	if status != statusFound {
		t.Errorf("exit status is %d, want %d: %s", status, statusFound, stderr.String())
	}
	for _, want := range []string{"pod/web-0 in namespace shop: ", " web-0[app]: container app ended", "forbidden: cannot list events in namespace shop"} {
		if !strings.Contains(strings.Join(strings.Fields(stdout.String()), " "), want) {
			t.Errorf("the report does not say %q:\n%s", want, stdout.String())
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("standard error is no terminal and was written to: %s", stderr.String())
	}
}

// TestTimeout checks that --request-timeout holds for the whole answer and is named when it is over.
func TestTimeout(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	var stdout, stderr strings.Builder
	args := []string{"why", "web-0", "--kubeconfig", apiServer(t, crashed(1), nil), "--server", server.URL, "--request-timeout", "50ms"}
	if status := Main(t.Context(), args, nil, &stdout, &stderr); status != statusFailed {
		t.Errorf("exit status is %d, want %d", status, statusFailed)
	}
	if !strings.Contains(stderr.String(), "--request-timeout 50ms") {
		t.Errorf("the message does not name the time limit: %s", stderr.String())
	}
}
