// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
)

// TestLateCapture holds that a death whose capture came when its container had ended in the same way twice more is judged by what the
// kernel said of it, and not told to be lost: of a loop the report of a person tells the newest alone.
func TestLateCapture(t *testing.T) {
	r := newRecorder(t)
	ended := began.Add(time.Minute)
	killed := func(restarts int32, at time.Time) *corev1.Pod {
		pod := podWith("a", restarts, at)
		pod.Spec.NodeName = "n1"
		pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
		last := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated
		last.ExitCode, last.Reason, last.StartedAt = 137, "OOMKilled", metav1.NewTime(at.Add(-time.Second))
		return pod
	}
	first := killed(1, ended)
	if err := r.take(t.Context(), fresh{pod: first, news: r.ledger.See(first, r.Now())}); err != nil {
		t.Fatal(err)
	}
	at := subject{evidence.RefOf(first), first.UID}
	app := evidence.RefOf(first).InContainer("app")
	s := alone(killed(3, ended.Add(20*time.Second)), ended.Add(21*time.Second), true)
	late := *s
	late.Runs = []evidence.Attempt{
		{Of: app.InAttempt(0), Started: ended.Add(-time.Second), Finished: ended, ExitCode: 137, Reason: "OOMKilled", Where: "runtime"},
		{Of: app.InAttempt(1), Started: ended.Add(time.Second), Finished: ended.Add(2 * time.Second), ExitCode: 137, Reason: "OOMKilled", Where: "runtime"},
	}
	group := "/kubepods/burstable/pod94edd2f6-8d03-4d20-a9cb-728aa6c17ac2/" + strings.Repeat("a1", 32)
	late.Facts = append(late.Facts, evidence.Fact{
		Kind: evidence.Host, Source: evidence.FromKernel, About: app.InAttempt(0), At: ended, Where: "kmsg", Name: "oom-kill",
		Text: "oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=" + group + " task_memcg=" + group + " task=app pid=7 uid=0 total-vm=9kB anon-rss=65536kB file-rss=0kB shmem-rss=0kB oom_score_adj=999",
	})
	if err := r.judge(t.Context(), at, r.pending[at], late.Freeze()); err != nil {
		t.Fatal(err)
	}
	d := kept(t, r)
	if v := d.Verdict; v.Rule != "MEM001" || v.Confidence != "certain" || !v.Settled || d.Missing != "" {
		t.Errorf("%s %s: %s; missing %q", v.Rule, v.Confidence, v.Message, d.Missing)
	}
}

// TestLateInALoop: of two ends that are alike, the first was captured after the second, and goes with that. Of one that could not reach a
// service only the second can be explained, by the state in which the service is then; of a start that failed the runtime's message of the
// first is not there any more.
func TestLateInALoop(t *testing.T) {
	for file, tt := range map[string]struct{ pod, rule string }{
		"late-in-a-loop": {"api-784c9f55b8-vnb77", "DEP002"}, "not-started-in-a-loop": {"workdir-file", "CRT015"},
	} {
		archive, err := txtar.ParseFile("testdata/" + file + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		for _, f := range archive.Files {
			files[f.Name] = f.Data
		}
		for attempt := range 2 {
			of := evidence.RefTo("Pod", "shop", tt.pod).InContainer("app").InAttempt(attempt)
			v, err := Judge(t.Context(), rules.All(), history.Death{Of: of}, files)
			if err != nil || v.Rule != tt.rule {
				t.Errorf("%s, run %d: %s about %s, %v: %s", file, attempt, v.Rule, v.Thing, err, v.Message)
			}
		}
	}
}
