// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/kubeinquest/inquest/internal/evidence"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// world is two nodes with two pods each: enough for every way in which things cover each other.
func world() *evidence.Snapshot {
	s := &evidence.Snapshot{Taken: noon}
	for n := range 2 {
		node := fmt.Sprintf("n%d", n)
		s.Objects = append(s.Objects, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
		for p := range 2 {
			s.Objects = append(s.Objects, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("%s-p%d", node, p)},
				Spec:       corev1.PodSpec{NodeName: node},
			})
		}
	}
	return s.Freeze()
}

// findings draws up to twenty findings with any scope, thing, time, confidence and effects.
func findings(t *rapid.T) []Finding {
	effect := rapid.SampledFrom(effects)
	draw := rapid.Custom(func(t *rapid.T) Finding {
		scope := rapid.SampledFrom([]Scope{Attempt, Container, Pod, Node, Cluster}).Draw(t, "scope")
		node := rapid.IntRange(0, 1).Draw(t, "node")
		pod := evidence.RefTo("Pod", "shop", fmt.Sprintf("n%d-p%d", node, rapid.IntRange(0, 1).Draw(t, "pod")))
		about := map[Scope]evidence.Ref{
			Attempt: pod.InContainer("app").InAttempt(rapid.IntRange(0, 2).Draw(t, "attempt")), Container: pod.InContainer("app"),
			Pod: pod, Node: evidence.RefTo("Node", "", fmt.Sprintf("n%d", node)), Cluster: evidence.Cluster,
		}[scope]
		return Finding{
			Rule: &Rule{
				ID: fmt.Sprintf("AAA%03d", rapid.IntRange(0, 99).Draw(t, "id")), Scope: scope,
				Effect: effect.Draw(t, "effect"), CausedBy: rapid.SliceOfN(effect, 0, 12).Draw(t, "causedBy"),
			},
			About: about, At: noon.Add(time.Duration(rapid.IntRange(-90, 0).Draw(t, "at")) * time.Second),
			Confidence: rapid.SampledFrom([]Confidence{Possible, Likely, Certain}).Draw(t, "confidence"),
		}
	})
	fs := rapid.SliceOfN(draw, 0, 20).Draw(t, "findings")
	for i := range fs {
		fs[i].Message = fmt.Sprint(i) // tells findings apart
	}
	return fs
}

func flatten(causes []Cause) []string {
	var messages []string
	for i := range causes {
		messages = append(messages, causes[i].Message)
		messages = append(messages, flatten(causes[i].Leads)...)
	}
	return messages
}

func TestRankPlacesEveryFindingOnce(t *testing.T) {
	s := world()
	rapid.Check(t, func(t *rapid.T) {
		fs := findings(t)
		got := flatten(Rank(s, fs)) // it ends, so there is no cycle
		slices.Sort(got)
		var want []string
		for i := range fs {
			want = append(want, fs[i].Message)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("findings placed (-want +got):\n%s", diff)
		}
	})
}

func TestRankDoesNotDependOnTheOrderOfFindings(t *testing.T) {
	s := world()
	rapid.Check(t, func(t *rapid.T) {
		fs := findings(t)
		want := shape(Rank(s, fs), "")
		rand.New(rand.NewPCG(uint64(len(fs)), 7)).Shuffle(len(fs), func(i, j int) { fs[i], fs[j] = fs[j], fs[i] })
		if diff := cmp.Diff(want, shape(Rank(s, fs), "")); diff != "" {
			t.Fatalf("ranking depends on the order of findings:\n%s", diff)
		}
	})
}

func shape(causes []Cause, indent string) string {
	text := ""
	for i := range causes {
		text += indent + causes[i].Rule.ID + " " + causes[i].About.String() + " " + causes[i].Message + "\n" + shape(causes[i].Leads, indent+" ")
	}
	return text
}

func TestEveryLinkIsOneThatMayCause(t *testing.T) {
	s := world()
	rapid.Check(t, func(t *rapid.T) {
		var check func(c Cause)
		check = func(c Cause) {
			for _, lead := range c.Leads {
				if !slices.Contains(lead.Rule.CausedBy, c.Rule.Effect) || !s.Covers(c.About, lead.About) || earlier(c.Finding, lead.Finding) >= 0 {
					t.Fatalf("%s may not explain %s", c.About, lead.About)
				}
				check(lead)
			}
		}
		for _, c := range Rank(s, findings(t)) {
			check(c)
		}
	})
}

func TestRankPrefersTheCloserExplainer(t *testing.T) {
	s := world()
	pod := evidence.RefTo("Pod", "shop", "n0-p0")
	order := &Rule{ID: "AAA001", Scope: Attempt, Effect: LivenessFailed}
	deleted := &Rule{ID: "AAA002", Scope: Pod, Effect: PodDeleted}
	killed := &Rule{ID: "AAA003", Scope: Attempt, Effect: Killed, CausedBy: []Effect{LivenessFailed, PodDeleted}}
	run := pod.InContainer("app").InAttempt(1)
	causes := Rank(s, []Finding{
		{Rule: killed, About: run, At: noon, Confidence: Certain, Message: "killed"},
		{Rule: deleted, About: pod, At: noon, Confidence: Certain, Message: "deleted"},
		{Rule: order, About: run, At: noon, Confidence: Certain, Message: "ordered"},
	})
	want := "AAA001 pod/n0-p0[app]#1 ordered\n AAA003 pod/n0-p0[app]#1 killed\nAAA002 pod/n0-p0 deleted\n"
	if got := shape(causes, ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestAnEndIsNotWhyItsContainerFails holds that what may be why a container's runs end does not follow from the end of one, however early that is.
func TestAnEndIsNotWhyItsContainerFails(t *testing.T) {
	app := evidence.RefTo("Pod", "shop", "n0-p0").InContainer("app")
	ended := &Rule{ID: "AAA001", Scope: Attempt, Effect: ProcessFailed, CausedBy: []Effect{NameUnresolved}}
	unresolved := &Rule{ID: "AAA002", Scope: Container, Effect: NameUnresolved, CausedBy: []Effect{ProcessFailed}}
	causes := Rank(world(), []Finding{
		{Rule: ended, About: app.InAttempt(0), At: noon, Confidence: Certain, Message: "the first"},
		{Rule: ended, About: app.InAttempt(1), At: noon.Add(time.Minute), Confidence: Certain, Message: "the second"},
		{Rule: unresolved, About: app, At: noon.Add(time.Minute), Confidence: Likely, Message: "no such host"},
	})
	want := "AAA001 pod/n0-p0[app]#0 the first\nAAA002 pod/n0-p0[app] no such host\n AAA001 pod/n0-p0[app]#1 the second\n"
	if got := shape(causes, ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestABrokenRuleIsASkip(t *testing.T) {
	panics := &Rule{ID: "AAA001", Scope: Pod, Needs: evidence.Status, Run: func(*Pass) { panic("index out of range") }}
	claims := &Rule{ID: "AAA002", Scope: Pod, Needs: evidence.Status, Run: func(p *Pass) {
		p.Report(Finding{Message: "m", Confidence: Certain, Facts: []evidence.Fact{{Source: evidence.FromLog, Text: "oom-kill"}}})
	}}
	s := world()
	s.Has = evidence.Status
	result := Run(s, []*Rule{panics, claims})
	if len(result.Findings) != 0 || len(result.Skipped) != 8 {
		t.Fatalf("%d findings and %d skips, want 0 and 8", len(result.Findings), len(result.Skipped))
	}
	for _, skip := range result.Skipped {
		if skip.Missing != 0 || skip.Why == "" {
			t.Errorf("skip %+v does not say that the rule is broken", skip)
		}
	}
}

func TestMissingEvidenceIsASkip(t *testing.T) {
	r := &Rule{ID: "AAA001", Scope: Pod, Needs: evidence.Status | evidence.Events, Run: func(*Pass) { panic("must not run") }}
	s := world()
	s.Has = evidence.Status
	s.Gaps = []evidence.Gap{{Kind: evidence.Events, Why: "forbidden: cannot list events"}}
	s.Freeze()
	for _, skip := range Run(s, []*Rule{r}).Skipped {
		if skip.Missing != evidence.Events || skip.Why != "forbidden: cannot list events" {
			t.Errorf("skip is %s, %q", skip.Missing, skip.Why)
		}
	}
}

func TestARestartDoesNotExplainTheEndOfALaterRun(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.PodSpec{NodeName: "n0"}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, StartedAt: metav1.NewTime(noon), FinishedAt: metav1.NewTime(noon.Add(time.Minute))},
	}}}
	s := (&evidence.Snapshot{Taken: noon.Add(time.Hour), Objects: []evidence.Object{pod}}).Freeze()
	run := s.Attempts(evidence.RefOf(pod))[0]
	restarted := &Rule{ID: "AAA001", Scope: Node, Effect: NodeRestarted}
	killed := &Rule{ID: "AAA002", Scope: Attempt, Effect: Killed, CausedBy: []Effect{NodeRestarted}}
	for _, c := range []struct {
		after time.Duration // of the run's start
		want  bool
	}{{-time.Second, false}, {0, true}, {time.Second, true}} {
		a := Finding{Rule: restarted, About: evidence.RefTo("Node", "", "n0"), At: run.Started.Add(c.after)}
		b := Finding{Rule: killed, About: run.Of, At: run.Finished}
		if got := explains(s, &a, &b); got != c.want {
			t.Errorf("a restart %s after the run began explains its end: %v", c.after, got)
		}
	}
}

func TestASpellExplainsWhatFallsIntoIt(t *testing.T) {
	s := world()
	node, pod := evidence.RefTo("Node", "", "n0"), evidence.RefTo("Pod", "shop", "n0-p0")
	slow := &Rule{ID: "AAA001", Scope: Node, Effect: RuntimeFailed}
	late := &Rule{ID: "BBB001", Scope: Pod, Effect: NotReady, CausedBy: []Effect{RuntimeFailed}}
	began, over := noon.Add(500*time.Millisecond), noon.Add(10*time.Second)
	for at, want := range map[time.Time]int{noon.Add(-time.Second): 0, noon: 1, over: 1, over.Add(time.Second): 0} {
		causes := Rank(s, []Finding{
			{Rule: slow, About: node, At: began, Until: over, Confidence: Certain}, {Rule: late, About: pod, At: at, Confidence: Certain},
		})
		follows := 0
		for i := range causes {
			follows += causes[i].Explains()
		}
		if follows != want {
			t.Errorf("of what began at %s, %d follow, want %d", at.Format(time.TimeOnly), follows, want)
		}
	}
}

func TestAChangeIsACauseOnlyOfWhatFollows(t *testing.T) {
	restarted := &Rule{ID: "AAA001", Scope: Node, Needs: evidence.Node, Effect: NodeRestarted, Change: true, Run: func(p *Pass) {
		p.Report(Finding{At: noon, Confidence: Certain, Message: "m", Facts: []evidence.Fact{{Source: evidence.FromStatus}}})
	}}
	lost := &Rule{ID: "AAA002", Scope: Pod, Needs: evidence.Status, Effect: EndLost, CausedBy: []Effect{NodeRestarted}, Run: func(p *Pass) {
		if p.About().Name == "n0-p0" {
			p.Report(Finding{At: noon, Confidence: Certain, Message: "m", Facts: []evidence.Fact{{Source: evidence.FromStatus}}})
		}
	}}
	s := world()
	s.Has = evidence.Status | evidence.Node
	want := "AAA001 node/n0 m\n AAA002 pod/n0-p0 m\n"
	if got := shape(Examine(s, []*Rule{restarted, lost}).Causes, ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTroubleComesThroughOtherThings(t *testing.T) {
	client, backend := evidence.RefTo("Pod", "shop", "n0-p0"), evidence.RefTo("Pod", "shop", "n1-p0")
	finds := func(id string, of evidence.Ref, effect Effect, causedBy []Effect, through ...evidence.Ref) *Rule {
		return &Rule{ID: id, Scope: Pod, Needs: evidence.Status, Effect: effect, CausedBy: causedBy, Run: func(p *Pass) {
			if p.About() == of {
				p.Report(Finding{At: noon, Confidence: Certain, Message: "m", Through: through, Facts: []evidence.Fact{{Source: evidence.FromStatus}}})
			}
		}}
	}
	oom := finds("AAA001", backend, OutOfMemory, nil)
	down := finds("AAA002", client, ProcessFailed, []Effect{OutOfMemory}, backend)
	for name, c := range map[string]struct {
		context []evidence.Ref
		rules   []*Rule
		want    string
	}{
		"linked":     {[]evidence.Ref{backend}, []*Rule{oom, down}, "AAA001 pod/n1-p0 m\n AAA002 pod/n0-p0 m\n"},
		"unrelated":  {[]evidence.Ref{backend}, []*Rule{oom}, ""},
		"not looked": {nil, []*Rule{oom, down}, "AAA002 pod/n0-p0 m\n"},
	} {
		s := world()
		s.Has, s.Asked, s.Context = evidence.Status, []evidence.Ref{client}, c.context
		if got := shape(Examine(s, c.rules).Causes, ""); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
	}
}

func TestOneContainerIsAskedAbout(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "app"}, {Name: "proxy"}},
	}}
	for _, name := range []string{"app", "proxy"} {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", FinishedAt: metav1.NewTime(noon)},
		}})
	}
	reports := func(id string, scope Scope) *Rule {
		return &Rule{ID: id, Scope: scope, Needs: evidence.Status, Run: func(p *Pass) {
			p.Report(Finding{At: noon, Confidence: Certain, Message: "m", Facts: []evidence.Fact{{Source: evidence.FromStatus}}})
		}}
	}
	s := (&evidence.Snapshot{
		Taken: noon, Has: evidence.Status, Objects: []evidence.Object{pod}, Asked: []evidence.Ref{evidence.RefOf(pod).InContainer("proxy")},
	}).Freeze()
	report := Examine(s, []*Rule{reports("AAA001", Attempt), reports("AAA002", Container), reports("AAA003", Pod)})
	want := "AAA001 pod/web[proxy]#0 m\nAAA002 pod/web[proxy] m\nAAA003 pod/web m\n"
	if got := shape(report.Causes, ""); got != want || report.Asked != 1 || len(report.Undetermined) != 0 {
		t.Errorf("got\n%sof %d pods, undetermined %v, want\n%s", got, report.Asked, report.Undetermined, want)
	}
}

// What has the name of another thing is not that thing: a pod that is not scheduled and a workload may be named as a node
// or a pod is.
func TestNamesakes(t *testing.T) {
	yes := true
	owner := []metav1.OwnerReference{{Kind: "StatefulSet", Name: "n1", Controller: &yes}}
	s := (&evidence.Snapshot{
		Taken: noon, Has: evidence.Spec | evidence.Status | evidence.Node | evidence.Events,
		Objects: []evidence.Object{
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n0"}},
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}},
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "n1", OwnerReferences: owner}},
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.PodSpec{NodeName: "n0"}},
			&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "n1"}},
			&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}},
		},
		Events: []*corev1.Event{{InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "n1"}, Reason: "Rebooted", Count: 1}},
	}).Freeze()
	got := map[string]string{}
	var rules []*Rule
	for _, scope := range []Scope{Pod, Node, Workload} {
		rules = append(rules, &Rule{ID: "AAA001", Scope: scope, Run: func(p *Pass) {
			on := ""
			if node := p.Node(); node != nil {
				on = node.Name
			}
			got[p.About().String()] = fmt.Sprintf("pod %q, node %q, %d Events", p.PodMeta().Name, on, len(p.NodeEvents()))
		}})
	}
	Run(s, rules)
	want := map[string]string{
		"node/n0":         `pod "", node "n0", 0 Events`,
		"node/n1":         `pod "", node "n1", 1 Events`,
		"pod/n1":          `pod "n1", node "", 0 Events`,
		"pod/web":         `pod "web", node "n0", 0 Events`,
		"statefulset/n1":  `pod "", node "", 0 Events`,
		"statefulset/web": `pod "", node "", 0 Events`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
