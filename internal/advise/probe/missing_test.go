// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// subject is a container of a Deployment with some starts that its present probes measured.
func subject(p Probes, starts []Start, ports ...int32) Subject {
	web := evidence.RefTo("Deployment", "shop", "web")
	o := Subject{Revision: "r", Starts: starts, Container: advise.Container{About: web.InContainer("app"), Target: web}}
	o.Spec = corev1.Container{Name: "app", StartupProbe: p.Startup, LivenessProbe: p.Liveness, ReadinessProbe: p.Readiness}
	for _, n := range ports {
		o.Spec.Ports = append(o.Spec.Ports, corev1.ContainerPort{ContainerPort: n})
	}
	o.Pod.Containers = []corev1.Container{o.Spec}
	for i := range o.Starts {
		o.Starts[i].Probes = p
	}
	return o
}

// opens is a probe that opens a connection.
func opens(port int32) *corev1.Probe {
	q := ask(0, 10, 1, 3)
	q.ProbeHandler = corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}}
	return q
}

// timed is a probe with other numbers.
func timed(q *corev1.Probe, period, timeout, failures int32) *corev1.Probe {
	q = q.DeepCopy()
	q.InitialDelaySeconds, q.PeriodSeconds, q.TimeoutSeconds, q.FailureThreshold = 0, period, timeout, failures
	return q
}

// TestMissingReadiness: a readiness probe that is not there asks what is known to answer, and takes a container out before another ends it.
func TestMissingReadiness(t *testing.T) {
	live := ask(0, 10, 1, 3)
	few := func(d time.Duration) []Start { return started("r", 0, 2, d) }
	enough := func(d time.Duration) []Start { return started("r", 0, Few, d) }
	unanswered := started("r", 0, 2, s)
	for i := range unanswered {
		unanswered[i].Lives, unanswered[i].Ready, unanswered[i].Lived = Never, Never, 5*s
	}
	old := started("r", 0, 1, s)
	old[0].Lives, old[0].Ready, old[0].Lived = Never, Never, time.Hour
	run := timed(live, 30, 2, 4)
	run.ProbeHandler = corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}}
	dear := timed(run, 10, 2, 4)
	dear.Exec.Command = []string{"java", "-jar", "check.jar"}
	job := subject(Probes{}, nil, 8080)
	job.Pod.RestartPolicy = corev1.RestartPolicyOnFailure
	one, two, named := subject(Probes{}, few(s)), subject(Probes{}, few(s), 8080, 9090), subject(Probes{}, few(s))
	one.Served, two.Served, named.Served = []intstr.IntOrString{intstr.FromInt32(8080)}, []intstr.IntOrString{intstr.FromInt32(9090)}, []intstr.IntOrString{intstr.FromString("http")}
	alone, unread := subject(Probes{}, few(s), 8080), subject(Probes{}, few(s))
	alone.Looked, unread.Looked, unread.Unserved = true, true, "forbidden: cannot list services in namespace shop"
	measured := subject(Probes{Liveness: ask(0, 10, 1, 6)}, enough(s))
	measured.Answers = Answers{Slowest: map[string]Slowest{"Liveness": {Within: 2500 * ms}}}
	for name, c := range map[string]struct {
		subject Subject
		want    *corev1.Probe
		says    string // among the verdict, the reasons and the checks
	}{
		"as the liveness probe":        {subject(Probes{Liveness: live}, enough(s)), timed(live, 5, 1, 3), "asks what its liveness probe asks, which is known to be answered"},
		"that outlived it":             {subject(Probes{Liveness: live}, old), timed(live, 5, 1, 3), "before the liveness probe ends it; how long its answers take was not measured, so they get 1s"},
		"as the startup probe":         {subject(Probes{Startup: ask(0, 5, 1, 30)}, few(s)), timed(live, 10, 1, 3), "not enough: of 2 starts"},
		"rather than a connection":     {subject(Probes{Startup: opens(8080), Liveness: live}, old), timed(live, 5, 1, 3), "asks what its liveness probe asks"},
		"as slow as it answers":        {measured, timed(live, 10, 4, 3), "its slowest answer took up to 2.5s, so answers get 4s"},
		"not a dear command":           {subject(Probes{Startup: dear}, few(s), 8080), opens(8080), "opens a connection"},
		"a command, as seldom":         {subject(Probes{Startup: run}, few(s)), timed(run, 30, 2, 3), ""},
		"with half of its patience":    {subject(Probes{Liveness: timed(live, 5, 1, 10)}, old), timed(live, 10, 1, 2), "before the liveness probe ends it"},
		"as its only port":             {subject(Probes{}, few(s), 8080), opens(8080), "opens a connection to port 8080, which the container declares"},
		"where no answer is known":     {subject(Probes{Liveness: live}, unanswered, 9090), timed(opens(9090), 5, 1, 3), "opens a connection to port 9090"},
		"as a Service does":            {one, opens(8080), "port 8080, which its Service asks for"},
		"of ports what a Service does": {two, opens(9090), "port 9090, which the container declares and its Service asks for"},
		"of two ports":                 {subject(Probes{}, few(s), 8080, 9090), nil, "none is proposed, as it declares 2 ports"},
		"of none":                      {subject(Probes{}, few(s)), nil, "it declares no TCP port, and no Service in the evidence asks it"},
		"of what no Service leads to":  {alone, opens(8080), "no Service leads to it, so that its requests do not depend on that"},
		"of Services that are unread":  {unread, nil, "no Service that could be read (forbidden: cannot list services in namespace shop) asks it"},
		"a name that is not declared":  {named, nil, "it declares no TCP port"},
		"of what ends":                 {job, nil, "as it runs to its end it needs none"},
	} {
		t.Run(name, func(t *testing.T) {
			a := Advise(c.subject)
			if diff := cmp.Diff(c.want, a.Proposed.Readiness); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
			if (a.Fix != nil) != (c.want != nil) || a.Fix != nil && (!strings.HasSuffix(a.Fix.Title, "ive app a readiness probe") || a.Fix.Patch == nil) {
				t.Errorf("the fix is %+v", a.Fix)
			}
			if says := a.Enough + "\n" + strings.Join(a.Reasons, "\n") + fmt.Sprint(a.Checks); !strings.Contains(says, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, says)
			}
			if again := fmt.Sprint(roles(a.Proposed)); strings.Contains(again, "asks the same") {
				t.Errorf("it finds fault with what it proposes: %s", again)
			}
		})
	}
}

// TestEarly: without a readiness probe requests come before the first answer, and with the one that is proposed they do not.
func TestEarly(t *testing.T) {
	a := Advise(subject(Probes{Liveness: ask(0, 10, 1, 6)}, started("r", 0, Few, 8*s)))
	if a.Before.Early != Few || a.After.Early != 0 || a.After.Ends != 0 {
		t.Errorf("before %+v, after %+v", a.Before, a.After)
	}
}

// TestServed: what Services ask a pod for.
func TestServed(t *testing.T) {
	service := func(name, app string, ports ...corev1.ServicePort) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": app}, Ports: ports}}
	}
	snap := (&evidence.Snapshot{Objects: []evidence.Object{
		service("a", "web", corev1.ServicePort{Port: 80, TargetPort: intstr.FromInt32(8080)}, corev1.ServicePort{Port: 53, Protocol: corev1.ProtocolUDP}),
		service("b", "web", corev1.ServicePort{Port: 8080}, corev1.ServicePort{Port: 9000, TargetPort: intstr.FromString("metrics")}),
		service("c", "other", corev1.ServicePort{Port: 1}),
	}}).Freeze()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}}}
	if diff := cmp.Diff([]intstr.IntOrString{intstr.FromInt32(8080), intstr.FromString("metrics")}, served(snap, pod)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if got := services(snap, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Labels: pod.Labels}}); len(got) != 0 {
		t.Errorf("of another namespace: %v", got)
	}
	snap.Gaps = []evidence.Gap{{Kind: evidence.Changes, About: evidence.RefTo("Namespace", "", "shop"), Why: "forbidden: cannot list services in namespace shop"}}
	if unserved(snap, "shop") == "" || unserved(snap, "bank") != "" {
		t.Error("why they are not known is taken from the wrong namespace, or not")
	}
}

// TestServing: a readiness probe asks where Services send requests.
func TestServing(t *testing.T) {
	for name, c := range map[string]struct {
		asks   int32
		served []intstr.IntOrString
		wrong  bool
	}{
		"there":                   {8080, []intstr.IntOrString{intstr.FromInt32(8080)}, false},
		"elsewhere":               {9090, []intstr.IntOrString{intstr.FromInt32(8080)}, true},
		"by name":                 {9090, []intstr.IntOrString{intstr.FromString("http")}, true},
		"one of them":             {9090, []intstr.IntOrString{intstr.FromString("http"), intstr.FromInt32(9090)}, false},
		"what another serves":     {9090, []intstr.IntOrString{intstr.FromInt32(3000)}, false},
		"what no Service asks of": {9090, nil, false},
	} {
		o := subject(Probes{Readiness: opens(c.asks)}, nil, 8080, 9090)
		o.Spec.Ports[0].Name, o.Served = "http", c.served
		says := fmt.Sprint(Advise(o).Checks)
		if got := strings.Contains(says, fmt.Sprintf("it asks port %d, and its Services send requests to port 8080", c.asks)); got != c.wrong {
			t.Errorf("%s: %s", name, says)
		}
	}
}
