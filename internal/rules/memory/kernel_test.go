// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	uid  = "50f4c47a-b3aa-4095-b2e6-2ba0c574f4ab"
	id   = "b1994eb8e0c7c14e92cdda5c71b23cae6e1e4663dfaaa2fb6598a2de1b043545"
	uidS = "50f4c47a_b3aa_4095_b2e6_2ba0c574f4ab"
	hash = "4e7cd0b1c2a34f5e8d9a0b1c2d3e4f50"
)

// TestWhoseLimit holds the paths that kubelets and runtimes make, with and without systemd, under cgroup v1 and v2.
func TestWhoseLimit(t *testing.T) {
	for text, want := range map[string]level{
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods/burstable/pod" + uid + "/" + id:                                                                          ofContainer,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidS + ".slice/cri-containerd-" + id + ".scope": ofContainer,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice/kubepods-pod" + uidS + ".slice/crio-" + id + ".scope":                                              ofContainer,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice/kubepods-pod" + uidS + ".slice/crio-" + id + ".scope/container":                                    ofContainer,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods/besteffort/pod" + uid:                                                                                    ofPod,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidS + ".slice":                                 ofPod,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods":                                                                                                         ofPods,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice":                                                                                                   ofPods,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice/kubepods-burstable.slice":                                                                          ofPods,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods/besteffort":                                                                                              ofPods,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/system.slice/backup.service task_memcg=/system.slice/backup.service":                                              ofStranger,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + hash + ".slice":                                 ofPod, // a static pod
		"constraint=CONSTRAINT_MEMCG oom_memcg=/docker/" + id + "/kubelet.slice/kubelet-kubepods.slice":                                                           ofPods,
		"constraint=CONSTRAINT_MEMCG oom_memcg=/docker/" + id + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uidS + ".slice":                    ofPod,
		"constraint=CONSTRAINT_NONE task_memcg=/kubepods/burstable/pod" + uid + "/" + id:                                                                          ofNode,
		"constraint=CONSTRAINT_CPUSET task_memcg=/":                                                                                                               ofNode,
		"constraint=CONSTRAINT_MEMCG task=java pid=12":                                                                                                            ofContainer, // kernels before 5.0 do not always print whose
		"task=java pid=12": ofContainer, // and one line of them alone does not tell that the machine ran out
	} {
		if got := parseKill(evidence.Fact{Text: "oom-kill: " + text}).level(); got != want {
			t.Errorf("%s: level %d, want %d", text, got, want)
		}
	}
}

func TestWhatTheKernelSaysOfTheVictim(t *testing.T) {
	k := parseKill(evidence.Fact{Text: "oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods/pod" + uid + " task_memcg=/kubepods/pod" + uid + "/" + id +
		" task=VM Thread pid=1234 uid=0 total-vm=990kB anon-rss=512kB file-rss=8kB shmem-rss=16kB oom_score_adj=999"})
	if k.task != "VM Thread" || k.pid != 1234 || k.anon != 512 || k.file != 8 || k.shmem != 16 {
		t.Errorf("%+v", k)
	}
	if row := parseTask(evidence.Fact{Text: "oom-task: pid=9120 rss=6291456kB oom_score_adj=994 name=Web Content"}); row.anon != 6291456 || row.pid != 9120 || row.task != "Web Content" {
		t.Errorf("%+v", row)
	}
}

// TestInWhichRun: the container's id decides where both are known, else the pod and the time.
func TestInWhichRun(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	pod := evidence.RefTo("Pod", "shop", "web")
	run := evidence.Attempt{Of: pod.InContainer("app").InAttempt(1), Started: at, Finished: at.Add(time.Minute)}
	running := evidence.Attempt{Of: run.Of, Started: at}
	in := func(id string) string { return "task_memcg=/kubepods/pod" + uid + "/" + id }
	for _, c := range []struct {
		name  string
		text  string
		about evidence.Ref
		after time.Duration
		run   evidence.Attempt
		id    string
		want  bool
	}{
		{"the container itself, whatever the clock says", in(id), pod, time.Hour, run, id, true},
		{"another container", in(strings.Repeat("a", 64)), pod, time.Second, run, id, false},
		{"in the run of a container whose id is not told", in(id), pod, time.Second, run, "", true},
		{"where the record has no id", in(""), pod, time.Second, run, id, true},
		{"in another pod", in(""), evidence.RefTo("Node", "", "n1"), time.Second, run, id, false},
		{"before the run", in(""), pod, -time.Minute, run, id, false},
		{"after the run", in(""), pod, 2 * time.Minute, run, id, false},
		{"of the run, whatever its time", in(""), run.Of, time.Hour, run, id, true},
		{"of another run", in(id), run.Of.InContainer("app").InAttempt(0), time.Second, run, id, false},
		{"in a run that goes on", in(""), pod, 2 * time.Minute, running, id, true},
	} {
		k := parseKill(evidence.Fact{Text: "oom-kill: " + c.text, About: c.about, At: at.Add(c.after)})
		if got := k.hits(c.run, c.id); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestWhichContainerARunWas(t *testing.T) {
	st := &corev1.ContainerStatus{ContainerID: "containerd://now"}
	st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: "containerd://before"}
	for where, want := range map[string]string{
		"status.containerStatuses[app].state.running":        "now",
		"status.containerStatuses[app].state.terminated":     "now",
		"status.containerStatuses[app].lastState.terminated": "before",
		"runtime": "",
	} {
		if got := idOf(st, evidence.Attempt{Where: where}); got != want {
			t.Errorf("%s: %s, want %s", where, got, want)
		}
	}
	if got := idOf(nil, evidence.Attempt{Where: "runtime"}); got != "" {
		t.Errorf("without a status: %s", got)
	}
}

// TestHowFarTheKernelLogReachesBack: only a record of the kernel, with a time from before the run, tells that the log has
// all of it.
func TestHowFarTheKernelLogReachesBack(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		fact evidence.Fact
		want bool
	}{
		"the kernel, before":  {evidence.Fact{Source: evidence.FromKernel, At: at.Add(-time.Second)}, true},
		"the kernel, after":   {evidence.Fact{Source: evidence.FromKernel, At: at.Add(time.Second)}, false},
		"the kernel, untimed": {evidence.Fact{Source: evidence.FromKernel}, false},
		"the kubelet":         {evidence.Fact{Source: evidence.FromKubelet, At: at.Add(-time.Second)}, false},
	} {
		if got := saysBefore(c.fact, at); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTheLargestProcessOfThatKill(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	row := func(after time.Duration, text string) evidence.Fact {
		return evidence.Fact{At: at.Add(after), Text: "oom-task: " + text}
	}
	rows := []evidence.Fact{
		row(-time.Hour, "pid=1 rss=9000kB oom_score_adj=0 name=old"),
		row(0, "pid=2 rss=3000kB oom_score_adj=0 name=small"), row(0, "pid=3 rss=8000kB oom_score_adj=0 name=large"),
		row(time.Second, "pid=4 rss=2000kB oom_score_adj=0 name=tiny"), row(time.Hour, "pid=5 rss=9000kB oom_score_adj=0 name=new"),
	}
	if got := largest(rows, at); got.task != "large" || got.pid != 3 || got.anon != 8000 {
		t.Errorf("%+v", got)
	}
}

// TestTooLowToStart holds the words of runc, crun, CRI-O and Docker, and of starts that fail for other reasons.
func TestTooLowToStart(t *testing.T) {
	tiny, roomy := resource.MustParse("4Mi"), resource.MustParse("512Mi")
	for _, c := range []struct {
		message string
		limit   *resource.Quantity
		want    bool
	}{
		{"runc create failed: unable to start container process: container init was OOM-killed (memory limit too low?): unknown", &roomy, true},
		{"memory limit too low", nil, true},
		{"process_linux.go: setting cgroup config for procHooks process: unable to set memory limit to 4194304 (current usage: 5505024, peak usage: 5857280)", nil, true},
		{"set memory limit 4096 too low; should be at least 12582912: minimum memory limit", nil, true},
		{"running exec setns process for init caused \"signal: killed\": unknown", &tiny, true},
		{"running exec setns process for init caused \"signal: killed\": unknown", &roomy, false},
		{"running exec setns process for init caused \"signal: killed\": unknown", nil, false},
		{"exec: \"/app\": stat /app: no such file or directory: unknown", &tiny, false},
	} {
		if got := tooLowForInit(c.message, c.limit); got != c.want {
			t.Errorf("%s, limit %v: %t", c.message, c.limit, got)
		}
	}
}

// TestWhoSetTheLimit holds the notes of plugin/pkg/admission/limitranger.
func TestWhoSetTheLimit(t *testing.T) {
	for note, want := range map[string]bool{
		"LimitRanger plugin set: memory limit for container app":                                         true,
		"LimitRanger plugin set: cpu request for container app; cpu, memory limit for container app":     true,
		"LimitRanger plugin set: memory, nvidia.com/gpu limit for container app":                         true,
		"LimitRanger plugin set: memory limit for init container app":                                    true,
		"LimitRanger plugin set: memory request for container app; cpu limit for container app":          false,
		"LimitRanger plugin set: memory limit for container application; memory limit for container web": false,
		"": false,
	} {
		if got := setLimit(note, "app"); got != want {
			t.Errorf("%q: %t", note, got)
		}
	}
}

func TestHeapSettings(t *testing.T) {
	for line, want := range map[string]int64{
		"java -Xmx512m -jar /app.jar":                512 << 20,
		"java -Xmx1g -Xmx2G App":                     2 << 30,
		"java -XX:MaxRAMPercentage=75.0 -jar /a.jar": 750 << 20,
		"node --max-old-space-size=256 server.js":    256 << 20,
		"node --max_old_space_size 256 server.js":    256 << 20,
		"java -Xmx536870912 -jar /app.jar":           512 << 20,
		"java -Xmx524288k -jar /app.jar":             512 << 20,
		"java -Xmx99999999999999999999g -jar /a.jar": 1 << 60,
		"java -jar /app.jar":                         0,
	} {
		h, ok := heapOf(&corev1.Container{Command: []string{line}}, 1000<<20)
		if h.bytes != want || ok != (want > 0) {
			t.Errorf("%s: %d, %t, want %d", line, h.bytes, ok, want)
		}
	}
}

// TestWhatCountsOfTwoSettings: what the environment gives comes before the command line.
func TestWhatCountsOfTwoSettings(t *testing.T) {
	c := &corev1.Container{Command: []string{"java", "-Xmx1g"}, Args: []string{"-jar", "/app.jar"}, Env: []corev1.EnvVar{{Name: "JAVA_TOOL_OPTIONS", Value: "-Xmx2g"}}}
	if h, _ := heapOf(c, 0); h.bytes != 1<<30 || h.setting != "-Xmx1g" {
		t.Errorf("%+v", h)
	}
}

func TestWhichAreaIsMeant(t *testing.T) {
	for line, want := range map[string]string{
		"java.lang.OutOfMemoryError: Java heap space":                                        "heap",
		"java.lang.OutOfMemoryError: GC overhead limit exceeded":                             "heap",
		"Terminating due to java.lang.OutOfMemoryError: Metaspace":                           "Metaspace, where classes are kept",
		"java.lang.OutOfMemoryError: Compressed class space":                                 "Metaspace, where classes are kept",
		"java.lang.OutOfMemoryError: PermGen space":                                          "Metaspace, where classes are kept",
		"java.lang.OutOfMemoryError: Direct buffer memory":                                   "direct buffers, which are outside the heap",
		"# There is insufficient memory for the Java Runtime Environment to continue.":       "memory that the kernel would give it",
		"Terminating due to java.lang.OutOfMemoryError: unable to create native thread: x":   "",
		"java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory": "",
	} {
		got := ""
		if said, _ := complaintIn("first\n" + line + "\nlast\n"); said != "" {
			got = said.area().name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestThePaceOfItsRuns(t *testing.T) {
	began := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	run := func(n int, from, to time.Duration) evidence.Attempt {
		return evidence.Attempt{Of: evidence.Ref{Attempt: n}, Started: began.Add(from), Finished: began.Add(to)}
	}
	const grows = ", 30m0s after its start, about as long as each of its 3 runs took on average: its memory grows until it reaches the limit"
	for _, c := range []struct {
		name string
		run  evidence.Attempt
		want string
	}{
		{"as long as the two before", run(2, time.Hour, 90*time.Minute), grows},
		{"with back-off between them", run(2, 80*time.Minute, 110*time.Minute), grows},
		{"much longer than the two before", run(2, 20*time.Minute, 50*time.Minute), ""},
		{"much shorter than the two before", run(2, 5*time.Hour, 5*time.Hour+30*time.Minute), ""},
		{"a few minutes, as the two before", run(2, 10*time.Minute, 15*time.Minute), ""},
		{"at its start", run(2, time.Hour, time.Hour+20*time.Second), ", 20s after its start: it needs more than that to start"},
		{"of which the start is not known", evidence.Attempt{Of: evidence.Ref{Attempt: 2}, Finished: began}, ""},
		{"of which the end is not known", evidence.Attempt{Of: evidence.Ref{Attempt: 2}, Started: began.Add(time.Hour)}, ""},
	} {
		if got := pace(c.run, began); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWhatAKilledProcessHeld(t *testing.T) {
	for text, want := range map[string]string{
		"anon-rss=2048kB shmem-rss=1024kB": ", holding 3Mi",
		"anon-rss=0kB shmem-rss=1kB":       ", holding 1Mi",
		"pid=12":                           "",
	} {
		if got := parseKill(evidence.Fact{Text: "oom-kill: " + text}).holding(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
