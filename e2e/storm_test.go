// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
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

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A tempest has containers that crash again and again while the agents are killed and the node is cut off from whoever watches.
type tempest struct {
	node       string // where all of it is; empty: on n1 and n2
	pods, each int    // pods, and containers of each
	kills      int    // of the agents
	lasts      time.Duration
	cut        bool // the node's cable is out from begin to end
}

// squall is the one that comes with every run. Those of TestStorm take longer.
var squall = tempest{pods: 24, each: 1, kills: 5, lasts: 36 * time.Second}

// stormSettle is for the agents to hear of the ends that the status tells of: a relist is each second.
const stormSettle = 5 * time.Second

// rage compares what the agents recorded with what happened: of each run that ended there is one record or one gap, and
// never both.
func (s tempest) rage(t *testing.T) {
	c := stormCluster(t)
	if _, err := c.AppsV1().Deployments(c.Namespace).Create(t.Context(), s.crashing(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if s.cut {
		s.cutOff(t, c)
	} else {
		s.kill(t)
	}
	pods, err := c.CoreV1().Pods(c.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), stormSettle)
	labDo(t, "kubectl", "--", "-n", "inquest", "wait", "--for=condition=Ready", "pod", "-l", "app.kubernetes.io/name=inquest-agent", "--timeout=90s")
	nodes := []string{"n1", "n2"}
	if s.node != "" {
		nodes = []string{s.node}
	}
	restarts, gaps := account(t, pods.Items, nodes...)
	if restarts < s.pods*s.each {
		t.Errorf("only %d restarts: that is no storm", restarts)
	}
	if s.kills == 0 && gaps > 0 {
		t.Errorf("%d runs were missed though the agent was alive", gaps)
	}
}

// cutOff has the storm while the node's cable is out, and waits until the node is back and has told how its containers are.
func (s tempest) cutOff(t *testing.T, c faults.Cluster) {
	labDo(t, "kubectl", "--", "-n", c.Namespace, "wait", fmt.Sprintf("--for=jsonpath={.status.replicas}=%d", s.pods), "deployment/storm", "--timeout=60s")
	labDo(t, "kubectl", "--", "-n", c.Namespace, "wait", "--for=jsonpath={.status.phase}=Running", "pod", "--all", "--timeout=300s")
	labDo(t, "node", "partition", s.node)
	defer func() {
		labDo(t, "node", "heal", s.node)
		labDo(t, "kubectl", "--", "wait", "--for=condition=Ready", "node/"+s.node, "--timeout=180s")
		pause(t.Context(), 30*time.Second) // the kubelet tells of all its pods within ten seconds, and storms go on
	}()
	s.kill(t)
}

// kill kills the agents as often as is asked for.
func (s tempest) kill(t *testing.T) {
	n, calm := 0, s.lasts/time.Duration(s.kills+1)
	for range s.kills {
		pause(t.Context(), calm)
		n += killAgents(t, s.node)
	}
	if n < s.kills {
		t.Errorf("%d agents were killed: expected one at least each time", n)
	}
	pause(t.Context(), calm)
	t.Logf("agents killed %d times", n)
}

// stormCluster makes a namespace, and takes it back.
func stormCluster(t *testing.T) faults.Cluster {
	c := connect(t, fmt.Sprintf("e2e-agent-storm-%d", time.Now().Unix()))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace}}
	if _, err := c.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.CoreV1().Namespaces().Delete(context.Background(), c.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return c
}

// labDo runs the lab's program.
func labDo(t *testing.T, args ...string) {
	if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), lab, args...).CombinedOutput(); err != nil {
		t.Errorf("lab %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// account compares the restarts that the API tells of with what the agents tell, and returns how many there were, and how many
// of them are said to be missed.
func account(t *testing.T, pods []corev1.Pod, nodes ...string) (restarts, gaps int) {
	seen, missed := heardOf(t, nodes...)
	recorded, wrong := 0, 0
	for _, run := range restarted(pods) {
		restarts++
		problem := ""
		switch {
		case seen[run] && missed[run]:
			problem = "recorded and said to be missed"
		case seen[run]:
			recorded++
		case missed[run]:
			gaps++
		default:
			problem = "neither recorded nor said to be missed"
		}
		if problem != "" {
			if wrong++; wrong <= 20 {
				t.Errorf("%s is %s", run, problem)
			}
		}
	}
	t.Logf("%d restarts in %d pods: %d recorded, %d missed and said so, %d wrong", restarts, len(pods), recorded, gaps, wrong)
	return restarts, gaps
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

// crashing is a workload whose containers end after different times. The first of each pod hardly lives at all.
func (s tempest) crashing() *appsv1.Deployment {
	n, labels := int32(s.pods), map[string]string{"app": "storm"}
	spec := corev1.PodSpec{NodeName: s.node, Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}}
	for i := range s.each {
		spec.Containers = append(spec.Containers, corev1.Container{
			Name: fmt.Sprintf("app%d", i), Image: "lab.local/app:v1", ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{"/bin/sh", "-c", fmt.Sprintf("echo up; sleep %d.2; echo down; exit 3", 10*i)},
		})
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "storm"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// killAgents kills the processes of the lab's agents, those of one node where it is named, and tells how many there were.
func killAgents(t *testing.T, node string) (n int) {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	below := "/inquest-n"
	if node != "" {
		below = "/inquest-" + node + "/"
	}
	for _, file := range commands {
		command, err := os.ReadFile(file)
		group, err2 := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		if err != nil || err2 != nil || !strings.HasPrefix(string(command), "/inquest-agent\x00") || !strings.Contains(string(group), below) {
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
		var notes bytes.Buffer
		ask := exec.CommandContext(t.Context(), inquest, "node", node, "attempts", "-o", "json")
		ask.Stderr = &notes
		out, err := ask.Output()
		if err != nil {
			t.Fatalf("inquest node %s attempts: %v: %s", node, err, notes.String())
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
