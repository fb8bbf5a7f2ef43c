// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// Rules that put ends down to probes, and those to a node that is slow where its report covers pods of several workloads.
var (
	killed = &diagnosis.Rule{
		ID: "TST007", Title: "A probe ended it", Scope: diagnosis.Attempt, Stage: diagnosis.Stable, Needs: evidence.Status,
		Effect: diagnosis.LivenessFailed, CausedBy: []diagnosis.Effect{diagnosis.NodeSaturated}, Run: exited.Run,
	}
	slowNode = &diagnosis.Rule{
		ID: "TST008", Title: "The node is slow", Scope: diagnosis.Node, Stage: diagnosis.Stable, Needs: evidence.Status, Also: evidence.Node,
		Effect: diagnosis.NodeSaturated,
		Run: func(p *diagnosis.Pass) {
			if pods := diagnosis.List[*corev1.Pod](p, p.About()); len(pods) >= outcryOf && p.Object(p.About()).GetAnnotations()["is"] == "slow" {
				p.Report(diagnosis.Finding{
					At: p.Now().Add(-time.Hour), Confidence: diagnosis.Likely, Message: "node " + p.About().Name + " is slow",
					Facts: []evidence.Fact{{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status", Text: "slow"}},
				})
			}
		},
	}
)

// TestRecorderOutcry holds that deaths by probes of several workloads on one node that is slow are one incident of that node, however many
// come later, and no incident of the node where it is well, where they are far apart, or of one workload.
func TestRecorderOutcry(t *testing.T) {
	for _, tt := range []struct {
		name      string
		workloads []string
		is        string
		apart     time.Duration
		ahead     time.Duration // the node's clock
		want      []string
	}{
		{"a slow node whose clock is wrong", []string{"a", "b", "c"}, "slow", 20 * time.Second, 1000 * time.Hour, []string{"TST008 node/n1: 7 deaths of 4 pods"}},
		{"a slow node", []string{"a", "b", "c"}, "slow", 20 * time.Second, 0, []string{"TST008 node/n1: 7 deaths of 4 pods"}},
		{"a node that is well", []string{"a", "b", "c"}, "", 20 * time.Second, 0, []string{
			"TST007 statefulset/c[app]: 2 deaths of 1 pods", "TST007 statefulset/b[app]: 2 deaths of 1 pods", "TST007 statefulset/a[app]: 2 deaths of 1 pods"}},
		{"far apart", []string{"a", "b", "c"}, "slow", 3 * time.Minute, 0, []string{
			"TST007 statefulset/c[app]: 2 deaths of 1 pods", "TST007 statefulset/b[app]: 2 deaths of 1 pods", "TST007 statefulset/a[app]: 2 deaths of 1 pods"}},
		{"one workload", []string{"a", "a", "a"}, "slow", 20 * time.Second, 0, []string{"TST007 statefulset/a[app]: 6 deaths of 3 pods"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.ahead = tt.ahead
				r := recorderOf(t, w)
				r.Rules = []*diagnosis.Rule{killed, slowNode}
				defer start(t, r)()
				w.set("nodes", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "n1", Annotations: map[string]string{"is": tt.is}}})
				w.cry(tt.workloads, tt.apart)
				before := w.captures()
				for range 2 {
					if diff := cmp.Diff(tt.want, incidents(t, r)); diff != "" {
						t.Errorf("incidents (-want +got):\n%s", diff)
					}
					passes(20 * time.Minute)
				}
				if n := w.captures() - before; n > 3 {
					t.Errorf("%d looks at what is over", n)
				}
			})
		})
	}
}

// TestRecorderOutcryGoesOn holds that of a container that its slow node had ended, the next end by its probe is the node's at once, and that of
// another container it is not: the next look at the node tells.
func TestRecorderOutcryGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		r.Rules = []*diagnosis.Rule{killed, slowNode}
		defer start(t, r)()
		w.set("nodes", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "n1", Annotations: map[string]string{"is": "slow"}}})
		w.cry([]string{"a", "b", "c"}, 20*time.Second)
		expect := func(when string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, incidents(t, r)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		w.crash("a-0", 1)
		passes(5 * time.Second)
		expect("the same container", "TST008 node/n1: 8 deaths of 4 pods")
		w.place("d", 3)
		w.crash(podName("d", 3), 1)
		passes(5 * time.Second)
		expect("another one", "TST007 statefulset/d[app]: 1 deaths of 1 pods", "TST008 node/n1: 8 deaths of 4 pods")
		passes(time.Minute)
		expect("after the next look", "TST008 node/n1: 9 deaths of 5 pods")
	})
}

// cry has a pod of each of the workloads on node n1, and each of them ended twice, one after the other, by its probe.
func (w *world) cry(workloads []string, apart time.Duration) {
	for i, name := range workloads {
		w.place(name, i)
	}
	for range 2 {
		passes(apart)
		for i, name := range workloads {
			w.crash(podName(name, i), 1)
			passes(apart)
		}
	}
	passes(time.Minute)
}

// place makes a pod of a workload on node n1.
func (w *world) place(workload string, i int) {
	pod := podWith(podName(workload, i), 0, time.Time{})
	pod.Name, pod.CreationTimestamp, pod.Spec.NodeName = podName(workload, i), metav1.NewTime(time.Now()), "n1"
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: workload, Controller: new(true)}}
	w.set("pods", pod)
}

func podName(workload string, i int) string { return workload + "-" + string(rune('0'+i)) }

// TestRestartedIsNotWhy holds that what a node lacks is its trouble, and that of its pods, rather than the restart that this came with or after.
// That is why runs ended.
func TestRestartedIsNotWhy(t *testing.T) {
	node, pod := evidence.RefTo("Node", "", "n1"), evidence.RefTo("Pod", "shop", "web-0")
	run := pod.InContainer("app").InAttempt(0)
	cause := func(id string, effect diagnosis.Effect, of evidence.Ref, leads ...diagnosis.Cause) diagnosis.Cause {
		return diagnosis.Cause{Finding: diagnosis.Finding{Rule: &diagnosis.Rule{ID: id, Effect: effect}, About: of}, Leads: leads}
	}
	networkless, lost := cause("NOD012", diagnosis.NetworkFailed, node), cause("NOD001", diagnosis.NodeLost, node)
	elsewhere := cause("NOD001", diagnosis.NodeLost, evidence.RefTo("Node", "", "n2"))
	ends := []diagnosis.Cause{cause("SBX008", diagnosis.SandboxFailed, pod), cause("EXT008", diagnosis.EndLost, run)}
	restarted := cause("NOD002", diagnosis.NodeRestarted, node, ends...)
	for _, tt := range []struct {
		of     evidence.Ref
		causes []diagnosis.Cause
		want   string
	}{
		{node, []diagnosis.Cause{restarted, networkless}, "NOD012"}, {node, []diagnosis.Cause{restarted}, "NOD002"}, {node, nil, ""},
		{pod, []diagnosis.Cause{restarted, lost}, "NOD001"}, {pod, []diagnosis.Cause{restarted}, "NOD002"}, {pod, []diagnosis.Cause{restarted, elsewhere}, "NOD002"},
		{run, []diagnosis.Cause{restarted, lost}, "NOD002"}, {run, []diagnosis.Cause{lost, restarted}, "NOD002"},
	} {
		told := telling{s: (&evidence.Snapshot{}).Freeze(), report: &diagnosis.Report{Causes: tt.causes}}
		if a := told.answerFor(tt.of, evidence.RefTo("Deployment", "shop", "web")); a.rule != tt.want {
			t.Errorf("why %s is in trouble, of %d causes, is %q, expected %q", tt.of, len(tt.causes), a.rule, tt.want)
		}
	}
}

// TestWhatIsOverIsNotWhy holds that what a node was in is why a pod of it is in trouble only while that lasts.
func TestWhatIsOverIsNotWhy(t *testing.T) {
	for until, want := range map[time.Duration]string{0: "NOD012", time.Minute: "NOD012", -time.Minute: ""} {
		c := diagnosis.Cause{Finding: diagnosis.Finding{Rule: &diagnosis.Rule{ID: "NOD012"}, About: evidence.RefTo("Node", "", "n1")}}
		if until != 0 {
			c.Until = began.Add(until)
		}
		told := telling{s: (&evidence.Snapshot{Taken: began}).Freeze(), report: &diagnosis.Report{Causes: []diagnosis.Cause{c}}}
		if a := told.answerFor(evidence.RefTo("Pod", "shop", "web-0"), evidence.RefTo("Deployment", "shop", "web")); a.rule != want {
			t.Errorf("what lasts until %s after it was looked at is %q, expected %q", until, a.rule, want)
		}
	}
}

// TestRevisesWhatWasSeenSince holds that a death at a time that cannot be is placed by when it was seen: one since its node was looked at is
// judged as its container was, and one before by its own run.
func TestRevisesWhatWasSeenSince(t *testing.T) {
	for seen, want := range map[time.Duration]string{time.Second: "TST008", -time.Second: "TST007"} {
		r := newRecorder(t)
		r.Rules = []*diagnosis.Rule{killed, slowNode}
		pod, node := podWith("a", 2, time.Time{}), evidence.RefTo("Node", "", "n1")
		taken := r.Now().Add(-time.Minute)
		of := evidence.RefOf(pod).InContainer("app")
		lead := diagnosis.Cause{Finding: diagnosis.Finding{Rule: killed, About: of.InAttempt(0)}}
		told := telling{
			s:      (&evidence.Snapshot{Taken: taken, Objects: []evidence.Object{pod}}).Freeze(),
			report: &diagnosis.Report{Causes: []diagnosis.Cause{{Finding: diagnosis.Finding{Rule: slowNode, About: node}, Leads: []diagnosis.Cause{lead}}}},
		}
		r.outcry.told[node.Name] = told
		d := history.Death{
			Cluster: "c", PodUID: "a", Of: of.InAttempt(1), Workload: evidence.RefOf(pod), Node: node.Name, Seen: taken.Add(seen),
			Verdict: &history.Verdict{Rule: killed.ID, Confidence: "likely", Thing: evidence.RefOf(pod), Settled: true},
		}
		if err := errors.Join(r.Store.Record(t.Context(), d), r.revise(t.Context(), node, told)); err != nil {
			t.Fatal(err)
		}
		if got := kept(t, r).Verdict.Rule; got != want {
			t.Errorf("seen %s after its node was looked at it is %s, expected %s", seen, got, want)
		}
	}
}

// TestOutcryIsOfFewNodes holds that what is cried about on many nodes is no matter of each, and that what was told of a node is forgotten.
func TestOutcryIsOfFewNodes(t *testing.T) {
	o := newOutcry()
	look := 0
	for i := range 2 * mostCrying {
		node := evidence.RefTo("Node", "", podName("n", i))
		for _, name := range []string{"a", "b", "c"} {
			if o.add(node.Name, evidence.RefTo("Deployment", "shop", name), began) {
				look++
			}
		}
		o.learn(node, telling{s: &evidence.Snapshot{Taken: began}})
	}
	if look != 1 || len(o.told) != 1 { // the first, of which it was not known yet that others would follow
		t.Errorf("%d looks, and of %d nodes is kept what was told; expected one", look, len(o.told))
	}
	for i := range mostCrying + 2 {
		other := evidence.RefTo("Node", "", podName("m", i))
		at := began.Add(time.Duration(i+1) * time.Hour)
		for _, name := range []string{"a", "b", "c"} {
			o.add(other.Name, evidence.RefTo("Deployment", "shop", name), at)
		}
		o.learn(other, telling{s: &evidence.Snapshot{Taken: at}})
	}
	if len(o.told) != mostCrying {
		t.Errorf("of %d nodes is kept what was told, expected %d", len(o.told), mostCrying)
	}
	first := podName("n", 0)
	if _, known := o.of(first, began.Add(again)); !known {
		t.Error("what was told of a node is not known within minutes")
	}
	if _, known := o.of(first, began.Add(again+time.Second)); known {
		t.Error("what was told of a node long ago counts still")
	}
	if o.disperse(began.Add(24 * time.Hour)); len(o.on)+len(o.told) > 0 {
		t.Errorf("of %d nodes is known when probes ended containers, of %d what was told", len(o.on), len(o.told))
	}
}

// TestAlikeOnAnotherNode holds that what died alike on another node than the one that it was put down to is not put down to that.
func TestAlikeOnAnotherNode(t *testing.T) {
	for node, want := range map[string]string{"n1": "PRB009", "n2": ""} {
		r := newRecorder(t)
		_, at := endedBy(t, r, began.Add(time.Minute), 137)
		blamed := representative{at.ref, history.Verdict{Rule: "PRB009", Confidence: "likely", Thing: evidence.RefTo("Node", "", node)}}
		if err := r.takeAlike(t.Context(), at, r.pending[at], blamed); err != nil {
			t.Fatal(err)
		}
		if d := kept(t, r); d.Verdict.Rule != want || !d.Verdict.Settled {
			t.Errorf("put down to %s: %+v, expected %q", node, d.Verdict, want)
		}
	}
}

// TestNamesAreNoted holds that with what is told of a death it is noted whom that names: who may read of it may not see all namespaces.
func TestNamesAreNoted(t *testing.T) {
	vault := evidence.RefTo("Pod", "bank", "vault-0")
	s := (&evidence.Snapshot{Facts: []evidence.Fact{{About: vault}}}).Freeze()
	v := telling{s: s}.verdictOf(answer{message: "it lost its port to vault-0"})
	if want := []evidence.Ref{evidence.RefTo("", "bank", "vault-0")}; !slices.Equal(v.Names, want) {
		t.Errorf("%q names %v, expected %v", v.Message, v.Names, want)
	}
	r := newRecorder(t)
	_, at := endedBy(t, r, began.Add(time.Minute), 137)
	if err := r.takeAlike(t.Context(), at, r.pending[at], representative{vault.InContainer("app"), history.Verdict{Rule: "MEM002", Thing: evidence.RefTo("Node", "", "n1")}}); err != nil {
		t.Fatal(err)
	}
	page, err := r.Store.Deaths(t.Context(), history.Filter{Namespaces: []string{"shop"}})
	if err != nil || len(page.Items) != 1 {
		t.Fatal(page, err)
	}
	if d := page.Items[0]; strings.Contains(d.Verdict.Message+d.Missing, "vault-0") || !strings.HasPrefix(d.Verdict.Message, "like pod/(elsewhere)[app]") {
		t.Errorf("who may see one namespace reads %q, %q", d.Verdict.Message, d.Missing)
	}
}
