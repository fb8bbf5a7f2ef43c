// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

const mib = 1 << 20

var (
	zero = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	web  = evidence.RefTo("Deployment", "shop", "web")
)

// container has requests and limits as Kubernetes writes them; "" for none.
func container(requestMemory, limitMemory, requestCPU, limitCPU string) advise.Container {
	c := advise.Container{About: web.InContainer("app"), Target: web, Spec: corev1.Container{Name: "app"}}
	list := func(memory, cpu string) corev1.ResourceList {
		l := corev1.ResourceList{}
		if memory != "" {
			l[corev1.ResourceMemory] = apiresource.MustParse(memory)
		}
		if cpu != "" {
			l[corev1.ResourceCPU] = apiresource.MustParse(cpu)
		}
		return l
	}
	c.Spec.Resources = corev1.ResourceRequirements{Requests: list(requestMemory, requestCPU), Limits: list(limitMemory, limitCPU)}
	return c
}

// flat is a day of samples by ten minutes, all of them alike.
func flat(value float64) []Series {
	s := Series{Of: evidence.RefTo("Pod", "shop", "web-1").InContainer("app").InAttempt(0), Began: zero}
	for i := range 144 {
		s.Samples = append(s.Samples, Sample{zero.Add(time.Duration(i) * 10 * time.Minute), value})
	}
	return []Series{s}
}

// killed are ends for want of memory at a limit of 256Mi, after these lives.
func killed(lived ...time.Duration) (kills []Kill) {
	for i, l := range lived {
		kills = append(kills, Kill{At: zero.Add(time.Duration(i) * time.Hour), Limit: 256 * mib, Lived: l})
	}
	return kills
}

// TestAdvise: case by case what is proposed.
func TestAdvise(t *testing.T) {
	for name, c := range map[string]struct {
		of     Subject
		fields string // that change, as JSON; "" for none
		says   string // among the reasons, or why nothing is proposed
	}{
		"little is known":       {Subject{Container: container("64Mi", "128Mi", "", "")}, "", "not enough: 0 samples"},
		"as it should be":       {Subject{Container: container("100Mi", "110Mi", "", ""), Memory: flat(100 * mib)}, "", "its peak was 100Mi"},
		"a little too low":      {Subject{Container: container("100Mi", "101Mi", "", ""), Memory: flat(104 * mib)}, `{"resources":{"limits":{"memory":"108Mi"},"requests":{"memory":"104Mi"}}}`, ""},
		"far too high":          {Subject{Container: container("100Mi", "1Gi", "", ""), Memory: flat(100 * mib)}, `{"resources":{"limits":{"memory":"103Mi"}}}`, ""},
		"none set":              {Subject{Container: container("", "", "", ""), Memory: flat(100 * mib)}, `{"resources":{"limits":{"memory":"103Mi"},"requests":{"memory":"100Mi"}}}`, ""},
		"killed as it starts":   {Subject{Container: container("256Mi", "256Mi", "", ""), Kills: killed(20*time.Second, 30*time.Second)}, `{"resources":{"limits":{"memory":"356Mi"}}}`, "it needs more than that to start"},
		"killed in a rhythm":    {Subject{Container: container("256Mi", "256Mi", "", ""), Kills: killed(40*time.Minute, 44*time.Minute, 42*time.Minute)}, "", "more would only put off its end"},
		"killed now and then":   {Subject{Container: container("256Mi", "256Mi", "", ""), Kills: killed(11*time.Minute, 90*time.Minute, 30*time.Minute)}, `{"resources":{"limits":{"memory":"356Mi"}}}`, "a fifth more"},
		"page cache":            {Subject{Container: container("100Mi", "110Mi", "", ""), Memory: flat(100 * mib), Peaks: []Sample{{zero, 4096 * mib}}}, "", "page cache"},
		"a burst not sampled":   {Subject{Container: container("100Mi", "110Mi", "", ""), Memory: flat(100 * mib), Peaks: []Sample{{zero, 120 * mib}}}, `{"resources":{"limits":{"memory":"124Mi"},"requests":{"memory":"120Mi"}}}`, ""},
		"held back":             {Subject{Container: container("100Mi", "110Mi", "100m", "200m"), Memory: flat(100 * mib), Throttled: 0.6, ProbeKills: 2}, `{"resources":{"limits":{"cpu":null}}}`, "60% of its periods, and probes ended 2 runs"},
		"held back, no request": {Subject{Container: container("100Mi", "110Mi", "", "200m"), Memory: flat(100 * mib), Throttled: 0.6}, `{"resources":{"limits":{"cpu":null},"requests":{"cpu":"200m"}}}`, "so that becomes its request"},
		"held back, in a quota": {Subject{Container: container("100Mi", "110Mi", "100m", "200m"), Memory: flat(100 * mib), Throttled: 0.6, CPUBound: "resourcequota/q bounds limits.cpu"}, "", "a higher one, as resourcequota/q"},
		"processors":            {Subject{Container: container("100Mi", "110Mi", "2", ""), Memory: flat(100 * mib), CPU: flat(0.1)}, `{"resources":{"requests":{"cpu":"127m"}}}`, "nine tenths of the time"},
		"a heap that may grow":  {Subject{Container: java("512m"), Memory: flat(200 * mib)}, `{"resources":{"limits":{"memory":"640Mi"},"requests":{"memory":"200Mi"}}}`, "heap of 512Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			a := Advise(c.of)
			got := ""
			if a.Fix != nil {
				data, err := json.Marshal(a.Fields)
				if err != nil {
					t.Fatal(err)
				}
				if got = string(data); !strings.Contains(a.Fix.Patch.Data, `"name":"app","resources":`) || a.Fix.Patch.Target != web {
					t.Errorf("patch %+v", a.Fix.Patch)
				}
			}
			if got != c.fields {
				t.Errorf("changes %s, want %s", got, c.fields)
			}
			if said := strings.Join(append(a.Reasons, a.Enough), "\n"); !strings.Contains(said, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, said)
			}
		})
	}
}

func java(heap string) advise.Container {
	c := container("1Gi", "1Gi", "", "")
	c.Spec.Command = []string{"java", "-Xmx" + heap, "-jar", "app.jar"}
	return c
}

// TestRuntimes: what runtimes are told against the limit, and what is well.
func TestRuntimes(t *testing.T) {
	env := func(pairs ...string) (list []corev1.EnvVar) {
		for pair := range slices.Chunk(pairs, 2) {
			list = append(list, corev1.EnvVar{Name: pair[0], Value: pair[1]})
		}
		return list
	}
	for name, c := range map[string]struct {
		command []string
		env     []corev1.EnvVar
		want    []string
	}{
		"a heap that fits":      {[]string{"java", "-Xmx384m"}, nil, nil},
		"one that does not":     {[]string{"java", "-Xmx512m"}, nil, []string{"-Xmx"}},
		"in gibibytes":          {nil, env("JAVA_TOOL_OPTIONS", "-Xmx1g"), []string{"-Xmx"}},
		"no heap":               {[]string{"/usr/bin/java", "-jar", "x"}, nil, []string{"JAVA_TOOL_OPTIONS"}},
		"a share":               {[]string{"java"}, env("JAVA_TOOL_OPTIONS", "-XX:MaxRAMPercentage=75.0"), nil},
		"Node with too much":    {[]string{"node", "--max-old-space-size=512"}, nil, []string{"NODE_OPTIONS"}},
		"Node":                  {nil, env("NODE_OPTIONS", "--max-old-space-size=384"), nil},
		"Go without a limit":    {nil, env("GOGC", "100"), []string{"GOMEMLIMIT", "GOMAXPROCS"}},
		"Go with one":           {nil, env("GOMEMLIMIT", "460MiB"), []string{"GOMAXPROCS"}},
		"Go with all of it":     {nil, env("GOMEMLIMIT", "512MiB", "GOMAXPROCS", "2"), []string{"GOMEMLIMIT"}},
		"Node without a heap":   {[]string{"npm", "start"}, nil, []string{"NODE_OPTIONS"}},
		"Go with many threads":  {nil, env("GOMEMLIMIT", "460MiB", "GOMAXPROCS", "16"), []string{"GOMAXPROCS"}},
		"nothing that is known": {[]string{"nginx"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := Subject{Container: container("512Mi", "512Mi", "1", "2")}
			o.Spec.Command, o.Spec.Env = c.command, c.env
			var got []string
			for _, check := range o.runtimes(amounts(&o.Spec)) {
				got = append(got, check.Where)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}

// TestRead: what a snapshot tells of use: the curve of an agent, its peak, and an end for want of memory.
func TestRead(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	pod.Spec.Containers = []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("256Mi")}}}}
	st := corev1.ContainerStatus{Name: "app", RestartCount: 1}
	st.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
		StartedAt: metav1.NewTime(zero), FinishedAt: metav1.NewTime(zero.Add(time.Minute)), ExitCode: 137, Reason: "OOMKilled",
	}
	st.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(zero.Add(2 * time.Minute))}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{st}
	of, end := evidence.RefOf(pod).InContainer("app").InAttempt(0), zero.Add(time.Minute)
	fact := func(name, text string, value float64) evidence.Fact {
		return evidence.Fact{Kind: evidence.Usage, Source: evidence.FromMetric, About: of, At: end, Name: name, Text: text, Value: value}
	}
	course := record.Course("working set in KiB", end, []record.Step{{At: zero, Value: 1024}, {At: end, Value: 2048}})
	s := &evidence.Snapshot{Taken: end.Add(time.Hour), Has: evidence.Spec | evidence.Status | evidence.Usage, Objects: []evidence.Object{pod}, Facts: []evidence.Fact{
		fact("course.memory", course, 0), fact("memory.peak", "memory.peak 3145728", 3*mib), fact("cpu.throttled", "", 0.4),
	}}
	list := Add(Read(s.Freeze()), s)
	if len(list) != 1 {
		t.Fatalf("read %d containers", len(list))
	}
	got := list[0]
	want := []Series{{Of: of, Began: zero, Samples: []Sample{{zero, mib}, {end, 2 * mib}}}}
	if diff := cmp.Diff(want, got.Memory); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if len(got.Kills) != 1 || got.Kills[0] != (Kill{of, end, 256 * mib, time.Minute}) || got.Throttled != 0.4 || len(got.Peaks) == 0 || got.Peaks[0].Value != 3*mib {
		t.Errorf("kills %+v, throttled %.1f, peaks %v", got.Kills, got.Throttled, got.Peaks)
	}
}

// TestSidecar: a sidecar is advised where its own container stands, and an init container that ends is not.
func TestSidecar(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	pod.Spec.Containers = []corev1.Container{container("100Mi", "200Mi", "", "").Spec}
	pod.Spec.InitContainers = []corev1.Container{helper("fetch", "50Mi", "50Mi", "", false), helper("proxy", "50Mi", "500Mi", "", true)}
	metrics := &metricsv1.PodMetrics{ObjectMeta: pod.ObjectMeta, Timestamp: metav1.NewTime(zero)}
	metrics.Containers = []metricsv1.ContainerMetrics{{Name: "proxy", Usage: corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("70Mi")}}}
	list := Read((&evidence.Snapshot{Taken: zero, Has: evidence.Spec, Objects: []evidence.Object{pod, metrics}}).Freeze())
	if len(list) != 2 || list[0].Spec.Name != "app" || list[1].Spec.Name != "proxy" || len(list[1].Memory) != 1 {
		t.Fatalf("read %+v", list)
	}
	list[1].Target, list[1].Memory = web, flat(70*mib)
	a := Advise(list[1])
	if a.Fix == nil || !strings.Contains(a.Fix.Patch.Data, `"initContainers":[{"name":"proxy","resources":`) {
		t.Errorf("the fix is %+v", a.Fix)
	}
}

// TestSplit: memory that falls to less than half is that of another run.
func TestSplit(t *testing.T) {
	var s Series
	for i, v := range []float64{10, 20, 30, 5, 10, 12, 11, 1} {
		s.Samples = append(s.Samples, Sample{zero.Add(time.Duration(i) * time.Minute), v})
	}
	var got []int
	for _, part := range Split(s, zero) {
		got = append(got, len(part.Samples))
	}
	if diff := cmp.Diff([]int{3, 4, 1}, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

// TestSplitStart: a series that begins after all that was asked for did begins with a run, whose start is no restart.
func TestSplitStart(t *testing.T) {
	s := Series{Over: 5 * time.Minute}
	for i := range 40 {
		value := 100.0
		if i == 0 {
			value = 400
		}
		s.Samples = append(s.Samples, Sample{zero.Add(time.Duration(i) * 5 * time.Minute), value})
	}
	if got := Split(s, zero.Add(-24*time.Hour)); len(got) != 1 || !got[0].Began.Equal(zero) || shapeOf(got) != Spike {
		t.Errorf("begun within: %d runs, %v, %s", len(got), got[0].Began, shapeOf(got))
	}
	if got := Split(s, zero); len(got) != 2 || !got[0].Began.IsZero() || shapeOf(got) == Spike {
		t.Errorf("begun before: %d runs, %v, %s", len(got), got[0].Began, shapeOf(got))
	}
}

// TestOver: a sample that is the highest of five minutes is of the start where the start reaches into them.
func TestOver(t *testing.T) {
	s := course(40, 5*time.Minute, func(share float64) float64 {
		if share > 0 && share <= 0.06 { // seven and twelve minutes after the start
			return 400
		}
		return 100
	})
	s[0].Began = zero.Add(-2 * time.Minute)
	if got := shapeOf(s); got == Spike {
		t.Errorf("of single moments: %s", got)
	}
	s[0].Samples[2].Value, s[0].Over = 100, 5*time.Minute
	if got := shapeOf(s); got != Spike || lateHigh(s) != 100 {
		t.Errorf("of five minutes each: %s, %.0f later", got, lateHigh(s))
	}
}

// TestBounds: a namespace gets what its containers need, as often as they are there; those that were not measured count by what they request.
func TestBounds(t *testing.T) {
	named := func(name string, replicas int, enough string, of Amounts) Advice {
		return Advice{About: evidence.RefTo("Deployment", "shop", name).InContainer("app"), Replicas: replicas, Enough: enough, Proposed: of}
	}
	one, two := named("one", 2, "", Amounts{100 * mib, 200 * mib, 0.1, 0}), named("two", 1, "", Amounts{300 * mib, 400 * mib, 0.2, 0})
	leak := named("leak", 1, "", Amounts{500 * mib, 600 * mib, 0, 0.5})
	leak.Memory = Leak
	begun := two // its pods need more to begin than to run
	begun.Inits = []corev1.Container{helper("fetch", "350Mi", "900Mi", "100m", false), helper("proxy", "50Mi", "50Mi", "50m", true), helper("load", "400Mi", "400Mi", "10m", false)}
	beside := two
	beside.Inits = begun.Inits[:2]
	lasts := beside // its sidecar was measured
	own := named("two", 1, "", Amounts{150 * mib, 160 * mib, 0.05, 0})
	own.About.Container, own.Inits = "proxy", lasts.Inits
	open := two
	open.Inits = []corev1.Container{helper("fetch", "", "", "", false)}
	for name, c := range map[string]struct {
		of              []Advice
		max, quota, why string
	}{
		"measured":                    {[]Advice{one, two}, `"max":{"memory":"600Mi"}`, `{"requests.cpu":"500m","requests.memory":"625Mi"}`, ""},
		"one that was not":            {[]Advice{one, two, named("big", 3, "not enough", Amounts{1000 * mib, 2000 * mib, 1, 0})}, `"max":{"memory":"3000Mi"}`, `{"requests.cpu":"4250m","requests.memory":"4375Mi"}`, ""},
		"one that leaks":              {[]Advice{one, leak}, `"max":{"memory":"900Mi"}`, `{"requests.cpu":"875m","requests.memory":"875Mi"}`, ""},
		"one that says no processors": {[]Advice{one, named("odd", 1, "not enough", Amounts{100 * mib, 100 * mib, 0, 0})}, `"max":{"memory":"300Mi"}`, `{"requests.cpu":"375m","requests.memory":"375Mi"}`, ""},
		"one that requests nothing":   {[]Advice{one, named("none", 1, "not enough", Amounts{})}, "", "", "deployment/none[app]"},
		"one that has no limit":       {[]Advice{one, named("open", 1, "not enough", Amounts{RequestMemory: mib})}, "", "", "deployment/open[app]"},
		"an init container":           {[]Advice{one, begun}, `"max":{"memory":"1350Mi"}`, `{"requests.cpu":"563m","requests.memory":"813Mi"}`, ""},
		"a sidecar":                   {[]Advice{one, beside}, `"max":{"memory":"1350Mi"}`, `{"requests.cpu":"563m","requests.memory":"688Mi"}`, ""},
		"a sidecar that was measured": {[]Advice{one, lasts, own}, `"max":{"memory":"1350Mi"}`, `{"requests.cpu":"563m","requests.memory":"813Mi"}`, ""},
		"an open init container":      {[]Advice{one, open}, "", "", "deployment/two[fetch]"},
		"nothing measured":            {[]Advice{named("big", 3, "not enough", Amounts{1000 * mib, 2000 * mib, 1, 0})}, "", "", ""},
		"nothing":                     {nil, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			limits, quota, why := Bounds("shop", c.of)
			if (limits == nil) != (c.max == "") || (quota == nil) != (c.quota == "") || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
				t.Fatalf("%v, %v, %q", limits, quota, why)
			}
			for want, of := range map[string]any{c.max: limits, c.quota: quota} {
				if data, err := json.Marshal(of); err != nil || !strings.Contains(string(data), want) {
					t.Errorf("%v: %s lacks %s", err, data, want)
				}
			}
		})
	}
}

func helper(name, request, limit, cpu string, sidecar bool) corev1.Container {
	c := container(request, limit, cpu, "").Spec
	c.Name = name
	if always := corev1.ContainerRestartPolicyAlways; sidecar {
		c.RestartPolicy = &always
	}
	return c
}

// TestWaiting: a CronJob counts with all the pods that it makes at once, whether it has none now, or only such as have ended.
func TestWaiting(t *testing.T) {
	four := int32(4)
	job := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly"}}
	job.Spec.JobTemplate.Spec.Parallelism = &four
	job.Spec.JobTemplate.Spec.Template.Spec = corev1.PodSpec{
		Containers: []corev1.Container{container("100Mi", "200Mi", "", "100m").Spec}, InitContainers: []corev1.Container{helper("fetch", "1Gi", "1Gi", "", false)},
	}
	s := (&evidence.Snapshot{Has: evidence.Spec | evidence.Changes, Objects: []evidence.Object{job}}).Freeze()
	list := Waiting(s, "shop", Read(s))
	if len(list) != 1 || list[0].Replicas != 4 || list[0].Proposed != (Amounts{100 * mib, 200 * mib, 0, 0.1}) || len(list[0].Inits) != 1 || Waiting(s, "bank", nil) != nil {
		t.Errorf("it waits: %+v", list)
	}
	yes := true
	pod := &corev1.Pod{Spec: job.Spec.JobTemplate.Spec.Template.Spec, Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}
	pod.ObjectMeta = metav1.ObjectMeta{Namespace: "shop", Name: "nightly-1", OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", Controller: &yes}}}
	for range 5 {
		pod = pod.DeepCopy()
		pod.Name += "x"
		s.Objects = append(s.Objects, pod)
	}
	s = s.Freeze()
	seen := Read(s)
	if len(seen) != 1 || seen[0].Replicas != 4 || len(seen[0].Inits) != 1 || Waiting(s, "shop", seen) != nil {
		t.Errorf("its pods have ended: %+v", seen)
	}
	const want = `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"a":1,"name":"app"}]}}}}}}`
	if fix := seen[0].Fix("change it", map[string]any{"a": 1}); fix.Patch == nil || fix.Patch.Data != want || fix.Patch.Target != evidence.RefOf(job) {
		t.Errorf("its next run is not changed: %+v", fix)
	}
}

// TestCPUBound: a namespace whose quota or LimitRange has containers have a CPU limit.
func TestCPUBound(t *testing.T) {
	list := corev1.ResourceList{corev1.ResourceLimitsCPU: apiresource.MustParse("4")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: list}}
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "l"}}
	limits.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{corev1.ResourceCPU: apiresource.MustParse("1")}}}
	for want, o := range map[string]evidence.Object{"resourcequota/q bounds limits.cpu": quota, "limitrange/l gives one": limits} {
		s := (&evidence.Snapshot{Has: evidence.Spec | evidence.Changes, Objects: []evidence.Object{o}}).Freeze()
		if got := cpuBound(s, "shop"); !strings.Contains(got, want) || cpuBound(s, "bank") != "" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// course is what a run used, by the minute or another step, of a share of its time.
func course(n int, every time.Duration, of func(float64) float64) []Series {
	s := Series{Of: evidence.RefTo("Pod", "shop", "web-1").InContainer("app").InAttempt(0), Began: zero}
	for i := range n {
		s.Samples = append(s.Samples, Sample{zero.Add(time.Duration(i) * every), of(float64(i) / float64(n))})
	}
	return []Series{s}
}

// TestGrowth: what grows steadily never gets more memory, and is called a leak where it was killed or grew for two days.
func TestGrowth(t *testing.T) {
	up := func(share float64) float64 { return (100 + 150*share) * mib }
	jagged := func(share float64) float64 { return (100 + 150*share + 10*math.Sin(200*share)) * mib }
	for name, c := range map[string]struct {
		of   Subject
		want Shape
	}{
		"for an hour":                   {Subject{Memory: course(60, time.Minute, up)}, Growing},
		"for an hour, until killed":     {Subject{Memory: course(60, time.Minute, up), Kills: killed(time.Hour)}, Leak},
		"jagged, until killed":          {Subject{Memory: course(240, time.Minute, jagged), Kills: killed(4 * time.Hour)}, Leak},
		"for three days":                {Subject{Memory: course(3*144, 10*time.Minute, up)}, Leak},
		"short runs, again and again":   {Subject{Memory: slices.Concat(again(4, course(14, time.Minute, up))...), Kills: killed(14*time.Minute, 30*time.Minute)}, Leak},
		"one short run, that was ended": {Subject{Memory: slices.Concat(course(14, time.Minute, up), again(2, course(14, time.Minute, up))[1]), Kills: killed(14 * time.Minute)}, Leak},
	} {
		t.Run(name, func(t *testing.T) {
			c.of.Container = container("256Mi", "256Mi", "", "")
			a := Advise(c.of)
			said := strings.Join(a.Reasons, "\n")
			if a.Memory != c.want || a.Proposed != a.Now || a.Fix != nil || !strings.Contains(said, "leak") {
				t.Errorf("%s, %+v: %s", a.Memory, a.Proposed, said)
			}
			if (len(c.of.Kills) > 0) != strings.Contains(said, "it was killed for memory") {
				t.Errorf("of its kills it says: %s", said)
			}
		})
	}
}

// again are runs alike, one after the other.
func again(n int, run []Series) (list [][]Series) {
	for i := range n {
		one := Series{Of: run[0].Of.InAttempt(i), Began: zero.Add(time.Duration(i) * 24 * time.Hour)}
		for _, s := range run[0].Samples {
			one.Samples = append(one.Samples, Sample{s.At.Add(time.Duration(i) * 24 * time.Hour), s.Value})
		}
		list = append(list, []Series{one})
	}
	return list
}

// TestKilled: a container that was killed for memory is never told that all is well, and never gets less than it had.
func TestKilled(t *testing.T) {
	free := killed(time.Hour)
	free[0].Limit = 0
	for name, o := range map[string]Subject{
		"below its limit, by the samples": {Container: container("256Mi", "256Mi", "", ""), Memory: flat(100 * mib), Kills: killed(time.Hour)},
		"at an earlier limit":             {Container: container("512Mi", "512Mi", "", ""), Memory: flat(100 * mib), Kills: killed(time.Hour)},
		"with no limit":                   {Container: container("64Mi", "", "", ""), Kills: free},
		"with no limit, and measured":     {Container: container("64Mi", "", "", ""), Memory: flat(100 * mib), Kills: free},
	} {
		t.Run(name, func(t *testing.T) {
			a := Advise(o)
			if said := strings.Join(append(a.Reasons, a.Enough), "\n"); !strings.Contains(said, "it was killed for memory once") {
				t.Errorf("it says %s", said)
			}
			if a.Proposed.LimitMemory > 0 && a.Proposed.LimitMemory <= o.Kills[0].Limit || a.Enough == "" && a.Fix == nil {
				t.Errorf("proposed %+v, enough %q", a.Proposed, a.Enough)
			}
		})
	}
}

// TestRuntimeFits: what a runtime is to be told goes by the limit that is proposed, not by the one that killed it.
func TestRuntimeFits(t *testing.T) {
	o := Subject{Container: container("64Mi", "256Mi", "", ""), Kills: killed(20*time.Second, 30*time.Second)}
	o.Spec.Env = []corev1.EnvVar{{Name: "GOGC", Value: "100"}}
	a := Advise(o)
	if i := slices.IndexFunc(a.Checks, func(c Check) bool { return c.Where == "GOMEMLIMIT" }); i < 0 || !strings.Contains(a.Checks[i].Do, "320MiB") {
		t.Errorf("of a limit of %s: %+v", Bytes(a.Proposed.LimitMemory), a.Checks)
	}
}

// TestScaling: an autoscaler is proposed where load goes up and down, and refused where more replicas cannot help.
func TestScaling(t *testing.T) {
	wave := func(share float64) float64 { return 0.1 + 0.9*math.Pow(math.Sin(3*math.Pi*share), 8) }
	load := course(3*144, 10*time.Minute, wave)
	for name, c := range map[string]struct {
		of   Subject
		want string // "" for no word of replicas
	}{
		"a day's load":         {Subject{Container: container("100Mi", "110Mi", "500m", ""), Memory: flat(100 * mib), CPU: load, Replicas: 4}, "HorizontalPodAutoscaler of 2 to 8 replicas"},
		"an even load":         {Subject{Container: container("100Mi", "110Mi", "500m", ""), Memory: flat(100 * mib), CPU: flat(0.5)}, ""},
		"next to nothing":      {Subject{Container: container("100Mi", "110Mi", "500m", ""), Memory: flat(100 * mib), CPU: course(3*144, 10*time.Minute, func(x float64) float64 { return wave(x) / 100 })}, ""},
		"held back":            {Subject{Container: container("100Mi", "110Mi", "500m", "1"), Memory: flat(100 * mib), CPU: load, Throttled: 0.5}, "the limit is the first thing to change"},
		"a leak":               {Subject{Container: container("100Mi", "300Mi", "500m", ""), Memory: course(3*144, 10*time.Minute, func(x float64) float64 { return (100 + 150*x) * mib }), CPU: load}, "do not cure memory that grows"},
		"one a node":           {Subject{Container: of("DaemonSet"), Memory: flat(100 * mib), CPU: load}, ""},
		"a pod of its own":     {Subject{Container: of("Pod"), Memory: flat(100 * mib), CPU: load}, ""},
		"members of a cluster": {Subject{Container: of("StatefulSet"), Memory: flat(100 * mib), CPU: load}, "members"},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			for _, check := range Advise(c.of).Checks {
				if check.Where == "replicas" {
					said = append(said, check.Says+": "+check.Do)
				}
			}
			if text := strings.Join(said, "\n"); (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
				t.Errorf("it says %q, want %q", text, c.want)
			}
		})
	}
}

// of is a container of another kind of workload.
func of(kind string) advise.Container {
	c := container("100Mi", "110Mi", "500m", "")
	c.About = evidence.RefTo(kind, "shop", "web").InContainer("app")
	return c
}
