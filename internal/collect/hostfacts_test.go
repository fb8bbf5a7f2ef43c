// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestHostFactsFindTheirPod resolves a control group of systemd's driver, and the name of a pod in a kubelet's line.
func TestHostFactsFindTheirPod(t *testing.T) {
	id := strings.Repeat("0f", 32)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "3b0e1c52-7f8a-4d7e-9a51-0c2f7b6d9e10"}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app"}}
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: "containerd://" + id}
	group := "/kubepods.slice/kubepods-pod3b0e1c52_7f8a_4d7e_9a51_0c2f7b6d9e10.slice/cri-containerd-" + id + ".scope"
	s := &evidence.Snapshot{Objects: []evidence.Object{p}, Facts: hostFacts(
		"[1.000000] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg="+group+",task_memcg="+group+",task=java,pid=1,uid=0\n"+
			"Jan 01 10:00:10 n1 kubelet[7]: E0101 10:00:10.000000       7 pod_workers.go:1] \"CreatePodSandbox for pod failed\" pod=\"shop/web\"\n"+
			"[2.000000] VFS: file-max limit 10 reached\n", "n1", time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))}
	resolveHostFacts(s)
	var got []string
	for _, f := range s.Facts {
		got = append(got, f.Name+" "+f.About.String())
	}
	if diff := cmp.Diff([]string{"sandbox-failed pod/web", "file-table node/n1", "oom-kill pod/web[app]"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
