// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const (
	stormPods   = 24
	stormKills  = 5
	stormPause  = 6 * time.Second // between two kills of the agents
	stormSettle = 5 * time.Second // for the agents to hear of the ends that the status tells of: a relist is each second
)

// storm has containers that crash again and again while the agents are killed, and compares what the agents recorded with what
// happened: of each run that ended there is one record or one gap, and never both.
func storm(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := faults.NewCluster(config, "e2e-agent-storm")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace}}
	if _, err := c.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.CoreV1().Namespaces().Delete(context.Background(), c.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.AppsV1().Deployments(c.Namespace).Create(ctx, crashing(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	killed := 0
	for range stormKills {
		pause(ctx, stormPause)
		killed += killAgents(t)
	}
	if killed < stormKills {
		t.Fatalf("%d agents were killed: expected one at least each time", killed)
	}
	pause(ctx, stormPause)
	pods, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pause(ctx, stormSettle)
	wait := exec.CommandContext(ctx, lab, "kubectl", "--", "-n", "inquest", "wait", "--for=condition=Ready", "pod", "-l", "app.kubernetes.io/name=inquest-agent", "--timeout=90s")
	if out, err := wait.CombinedOutput(); err != nil {
		t.Fatalf("wait for the agents: %v: %s", err, out)
	}
	restarts := account(t, pods.Items)
	t.Logf("agents killed %d times", killed)
	if restarts < stormPods {
		t.Errorf("only %d restarts: that is no storm", restarts)
	}
}

// account compares the restarts that the API tells of with what the agents tell, and returns how many there were.
func account(t *testing.T, pods []corev1.Pod) (restarts int) {
	seen, missed := heardOf(t, "n1", "n2")
	recorded, gaps := 0, 0
	for _, run := range restarted(pods) {
		restarts++
		switch {
		case seen[run] && missed[run]:
			t.Errorf("%s is recorded and said to be missed", run)
		case seen[run]:
			recorded++
		case missed[run]:
			gaps++
		default:
			t.Errorf("%s is neither recorded nor said to be missed", run)
		}
	}
	t.Logf("%d restarts in %d pods: %d recorded, %d missed and said so", restarts, len(pods), recorded, gaps)
	return restarts
}

// restarted returns the runs that have ended and were followed by another.
func restarted(pods []corev1.Pod) (runs []evidence.Ref) {
	for i := range pods {
		for _, st := range pods[i].Status.ContainerStatuses {
			for n := range int(st.RestartCount) {
				runs = append(runs, evidence.RefOf(&pods[i]).InContainer(st.Name).InAttempt(n))
			}
		}
	}
	return runs
}

func crashing() *appsv1.Deployment {
	n, labels := int32(stormPods), map[string]string{"app": "storm"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "storm"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "app", Image: "lab.local/app:v1", ImagePullPolicy: corev1.PullIfNotPresent,
					Command: []string{"/bin/sh", "-c", "echo up; sleep 0.2; echo down; exit 3"},
				}}},
			},
		},
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// killAgents kills the processes of the lab's agents, and tells how many there were.
func killAgents(t *testing.T) (n int) {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		command, err := os.ReadFile(file)
		group, err2 := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		if err != nil || err2 != nil || !strings.HasPrefix(string(command), "/inquest-agent\x00") || !strings.Contains(string(group), "/inquest-n") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
			n++
		}
	}
	return n
}

// heardOf returns the runs whose end the agents recorded, and those that they say they missed: a gap is about the last of its runs.
func heardOf(t *testing.T, nodes ...string) (seen, missed map[evidence.Ref]bool) {
	seen, missed = map[evidence.Ref]bool{}, map[evidence.Ref]bool{}
	for _, node := range nodes {
		out, err := exec.CommandContext(t.Context(), inquest, "node", node, "attempts", "-o", "json").Output()
		if err != nil {
			t.Fatalf("inquest node %s attempts: %v", node, err)
		}
		var answer struct{ Items []record.Entry }
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatal(fmt.Errorf("inquest node %s attempts: %w", node, err))
		}
		for _, e := range answer.Items {
			switch {
			case e.Run != nil && e.Run.State == record.Exited:
				seen[e.Run.Of] = true
				delete(missed, e.Run.Of)
			case e.Run != nil && e.Run.State == record.Unknown && !seen[e.Run.Of]: // it was there, and its end was not seen
				missed[e.Run.Of] = true
			case e.Gap != nil && e.Gap.What == "runtime" && e.Gap.About.Kind == "Pod":
				for i := range int(e.Gap.Count) {
					missed[e.Gap.About.InAttempt(e.Gap.About.Attempt-i)] = true
				}
			}
		}
	}
	return seen, missed
}
