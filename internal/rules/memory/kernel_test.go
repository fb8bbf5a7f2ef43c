// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

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
		"task=java pid=12": ofNode, // kernels before 5.0 print neither
	} {
		if got := parseKill(evidence.Fact{Text: "oom-kill: " + text}).level(); got != want {
			t.Errorf("%s: level %d, want %d", text, got, want)
		}
	}
}

func TestWhatTheKernelSaysOfTheVictim(t *testing.T) {
	k := parseKill(evidence.Fact{Text: "oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods/pod" + uid + " task_memcg=/kubepods/pod" + uid + "/" + id +
		" task=VM Thread pid=1234 uid=0 total-vm=990kB anon-rss=512kB file-rss=8kB shmem-rss=16kB oom_score_adj=999"})
	if k.task != "VM Thread" || k.pid != 1234 || k.anon != 512 || k.file != 8 || k.shmem != 16 || k.podUID() != uid {
		t.Errorf("%+v, pod %s", k, k.podUID())
	}
	if row := parseTask(evidence.Fact{Text: "oom-task: pid=9120 rss=6291456kB oom_score_adj=994 name=Web Content"}); row.anon != 6291456 || row.pid != 9120 || row.task != "Web Content" {
		t.Errorf("%+v", row)
	}
}

func TestHeapSettings(t *testing.T) {
	for line, want := range map[string]int64{
		"java -Xmx512m -jar /app.jar":                512 << 20,
		"java -Xmx1g -Xmx2G App":                     2 << 30,
		"java -XX:MaxRAMPercentage=75.0 -jar /a.jar": 750 << 20,
		"node --max-old-space-size=256 server.js":    256 << 20,
		"node --max_old_space_size 256 server.js":    256 << 20,
		"java -jar /app.jar":                         0,
	} {
		h, ok := heapOf(&corev1.Container{Command: []string{line}}, 1000<<20)
		if h.bytes != want || ok != (want > 0) {
			t.Errorf("%s: %d, %t, want %d", line, h.bytes, ok, want)
		}
	}
}
