// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestRuntimeOfSpec: a runtime is recognised by the program that is started and by variables of its own, and by no word that only looks like it.
func TestRuntimeOfSpec(t *testing.T) {
	for name, c := range map[string]struct {
		of   corev1.Container
		want Runtime
	}{
		"java":                    {corev1.Container{Command: []string{"java", "-jar", "x"}, Image: "eclipse-temurin:17.0.9-jre"}, Runtime{Java, "17.0.9", "its command"}},
		"in a shell":              {corev1.Container{Command: []string{"sh", "-c", "exec java -jar x"}}, Runtime{Java, "", "its command"}},
		"as arguments":            {corev1.Container{Args: []string{"/opt/bin/java", "-jar", "x"}}, Runtime{Java, "", "its command"}},
		"npm":                     {corev1.Container{Command: []string{"npm", "start"}, Image: "node:20-alpine"}, Runtime{Node, "20", "its command"}},
		"a file":                  {corev1.Container{Args: []string{"node", "server.js"}}, Runtime{Node, "", "its command"}},
		"a word of another":       {corev1.Container{Command: []string{"k3s", "node"}}, Runtime{}},
		"a word of its image":     {corev1.Container{Args: []string{"node", "--endpoint=x"}}, Runtime{}},
		"an image of that name":   {corev1.Container{Command: []string{"node", "a.js"}, Image: "corp.example/chain/node:5.1"}, Runtime{Node, "", "its command"}},
		"variables of Go":         {corev1.Container{Env: []corev1.EnvVar{{Name: "GOGC", Value: "50"}}}, Runtime{Go, "", "its variables"}},
		"what ran before":         {corev1.Container{Command: []string{"sh", "-c", "node migrate.js && exec /server"}, Env: []corev1.EnvVar{{Name: "NODE_OPTIONS"}}}, Runtime{}},
		"what reads its own":      {corev1.Container{Command: []string{"sh", "-c", "node migrate.js && exec /server"}, Env: []corev1.EnvVar{{Name: "NODE_OPTIONS"}, {Name: "GOGC"}}}, Runtime{Go, "", "its variables"}},
		"nothing that is known":   {corev1.Container{Command: []string{"nginx"}, Env: []corev1.EnvVar{{Name: "NODE_ENV", Value: "production"}}}, Runtime{}},
		"nothing that is told of": {corev1.Container{}, Runtime{}},
	} {
		if got := ofSpec(&c.of); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestRuntimeOfLine: of a line only what starts a program counts, and no word of its arguments.
func TestRuntimeOfLine(t *testing.T) {
	for _, c := range []struct {
		line []string
		want string
	}{
		{[]string{"yarn", "resourcemanager"}, ""},
		{[]string{"yarn", "--daemon", "start", "resourcemanager"}, ""},
		{[]string{"npm", "ci"}, ""},
		{[]string{"sh", "-c", "exec /app/server --role node"}, ""},
		{[]string{"bash", "-c", "kubectl get node -w"}, ""},
		{[]string{"tini", "--", "cockroach", "node", "status"}, ""},
		{[]string{"sh", "-c", "cp -r /plugins/java /out && exec /server"}, ""},
		{[]string{"/start.sh", "--role", "node"}, ""},
		{[]string{"sh", "/start.sh", "--role", "node"}, ""},
		{[]string{"--role", "java"}, ""},
		{[]string{"/server", "; java"}, ""},
		{[]string{"sh", "-c", "node migrate.js && exec /server"}, ""},
		{[]string{"sh", "-c", "node migrate.js && ./server"}, ""},
		{[]string{"sh", "-c", "node migrate.js || exit 1; exec java -jar x; exit 1"}, Java},
		{[]string{"sh", "-c", "exec java -jar x || node sorry.js"}, Java},
		{[]string{"sh", "-c", "cd /app; ./migrate && node x.js | tee log"}, Node},
		{[]string{"sh", "-c", "while true; do node x.js; sleep 5; done"}, Node},
		{[]string{"yarn", "start"}, Node},
		{[]string{"yarn", "--cwd", "/app", "run", "serve"}, Node},
		{[]string{"npm", "…"}, Node},
		{[]string{"/entrypoint.sh", "node", "server.js"}, Node},
		{[]string{"/wait-for-it.sh", "db:5432", "--", "java", "-jar", "x"}, Java},
		{[]string{"bash", "-euo", "pipefail", "-c", "cd /app && A=b nice -n 10 node x.js"}, Node},
		{[]string{"sh", "-c", "set -e\nif [ -f x ]; then\n  exec gosu app \"$JAVA_HOME/bin/java\" -jar x\nfi"}, Java},
		{[]string{"env", "-u", "X", "A=b", "dumb-init", "--rewrite", "15:3", "--", "su-exec", "app:app", "java"}, Java},
	} {
		if got, _ := ofCommand(c.line, true); got.Name != c.want {
			t.Errorf("%q: %q, want %q", c.line, got.Name, c.want)
		}
	}
}

// TestSeenProcess: a process that was seen goes before a line of a shell, and not before a program that the manifest names.
func TestSeenProcess(t *testing.T) {
	for _, c := range []struct {
		command []string
		by      string
		want    string
	}{
		{[]string{"sh", "-c", "node migrate.js && exec ./run"}, byKilled, Java},
		{[]string{"sh", "-c", "node migrate.js && exec ./run"}, byProcess, Java},
		{[]string{"sh", "-c", "node migrate.js && exec ./run"}, "its log", Java},
		{[]string{"sh", "-c", "./migrate && exec node a.js"}, "its log", Node},
		{[]string{"node", "a.js"}, byKilled, Node},
	} {
		o := Subject{Runtime: Runtime{Java, "17", c.by}}
		o.Spec.Command = c.command
		if got := o.runtime(); got.Name != c.want {
			t.Errorf("%q, %s: %+v, want %s", c.command, c.by, got, c.want)
		}
	}
}

// TestRuntimeOfLog: a log tells by the forms that one runtime alone writes, at the beginning of a line.
func TestRuntimeOfLog(t *testing.T) {
	const at = "2026-11-27T10:00:00.5Z "
	for log, want := range map[string]Runtime{
		at + "panic: oh\n" + at + "\n" + at + "goroutine 1 [running]:\n":                                         {Go, "", "its log"},
		"goroutine 1 gp=0xc000002380 m=0 mp=0x5c0e20 [running]:\n":                                               {Go, "", "its log"},
		"FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n":                    {Node, "", "its log"},
		"Error: no\n    at x (/app/x.js:1:7)\n\nNode.js v18.20.4\n":                                              {Node, "18.20.4", "its log"},
		"Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n":                             {Java, "", "its log"},
		"java.lang.IllegalStateException: no\n\tat a.b.C.d(C.java:7)\n":                                          {Java, "", "its log"},
		at + "10:00 INFO 1 --- [main] c.e.App : Starting App v1 using Java 11.0.13 with PID 1\n":                 {Java, "11.0.13", "its log"},
		`{"log":"goroutine 1 [running]:"}` + "\nweb-1: goroutine 1 [running]:\n":                                 {},
		"goroutine 1 [running]:\nException in thread \"main\" java.lang.Error\n":                                 {},
		"we have one goroutine 1 [running] and Node.js v18.20.4 and FATAL ERROR: Reached heap limit, they say\n": {},
	} {
		if got := ofLog(log); got != want {
			t.Errorf("%q: %+v, want %+v", log, got, want)
		}
	}
}

// TestRuntimeOf: the agent's word for a process, the kernel's for one that it killed, and a log count in that order; of another container none does.
func TestRuntimeOf(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	pod.Spec.Containers = []corev1.Container{{Name: "app"}, {Name: "other"}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 134, Reason: "Error", StartedAt: metav1.NewTime(zero), FinishedAt: metav1.NewTime(zero)}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: ended}}
	of := evidence.RefOf(pod).InContainer("app").InAttempt(0)
	fact := func(name, text string) evidence.Fact {
		return evidence.Fact{Kind: evidence.Host, Source: evidence.FromRuntime, About: of, At: zero, Name: name, Text: text}
	}
	log := evidence.Log{Of: of, Text: "Node.js v22.1.0\n"}
	for name, c := range map[string]struct {
		facts []evidence.Fact
		want  Runtime
	}{
		"its log":           {nil, Runtime{Node, "22.1.0", "its log"}},
		"its process":       {[]evidence.Fact{fact("command", "node --inspect …")}, Runtime{Node, "22.1.0", "its process, as the agent of its node knows it"}},
		"what was killed":   {[]evidence.Fact{fact("oom-kill", "oom-kill: task_memcg=/kubepods/x task=java pid=7 uid=0")}, Runtime{Java, "", "the process that the kernel killed"}},
		"a name of its own": {[]evidence.Fact{fact("command", "/bin/server …"), fact("oom-kill", "oom-kill: task=server pid=7")}, Runtime{Node, "22.1.0", "its log"}},
	} {
		s := (&evidence.Snapshot{Taken: zero, Has: evidence.Spec | evidence.Status | evidence.Logs | evidence.Host, Objects: []evidence.Object{pod}, Facts: c.facts, Logs: []evidence.Log{log}}).Freeze()
		list := Read(s)
		if len(list) != 2 || list[0].runtime() != c.want || list[1].runtime() != (Runtime{}) {
			t.Errorf("%s: %+v, want %+v", name, list[0].runtime(), c.want)
		}
	}
}

// TestSince: versions as runtimes and images write them.
func TestSince(t *testing.T) {
	for _, c := range []struct {
		r     Runtime
		least []int
		want  bool
	}{
		{Runtime{Go, "go1.24.9", ""}, []int{1, 25}, false},
		{Runtime{Go, "go1.25rc1", ""}, []int{1, 25}, true},
		{Runtime{Go, "go1.26.0", ""}, []int{1, 25}, true},
		{Runtime{Node, "v20.2.0", ""}, []int{20, 3}, false},
		{Runtime{Node, "v20.11.0", ""}, []int{20, 3}, true},
		{Runtime{Node, "20", ""}, []int{20, 3}, true},
		{Runtime{Node, "18", ""}, []int{20, 3}, false},
		{Runtime{Java, "1.8.0_362-b09", ""}, []int{8, 372}, false},
		{Runtime{Java, "8u372", ""}, []int{8, 372}, true},
		{Runtime{Java, "11.0.13+8", ""}, []int{11, 0, 16}, false},
		{Runtime{Java, "17.0.9+9-LTS", ""}, []int{15}, true},
		{Runtime{}, []int{1}, false},
	} {
		if got := c.r.since(c.least...); got != c.want {
			t.Errorf("%+v since %v: %v", c.r, c.least, got)
		}
	}
}

// TestHeaps: what is advised of a runtime by what is known of it beside the spec, and by its version; of none nothing.
func TestHeaps(t *testing.T) {
	for name, c := range map[string]struct {
		of   Runtime
		want []string // in order: where, and what it says or does
	}{
		"nothing is known":       {Runtime{}, nil},
		"Go of any version":      {Runtime{Go, "", "its log"}, []string{"GOMEMLIMIT: its manifest does not set it", "nine tenths of the limit, 460MiB (Go GC guide", "GOMAXPROCS: which Go it was built with is not known: 1.25"}},
		"an early Go":            {Runtime{Go, "go1.22.3", "Prometheus (go_info)"}, []string{"GOMEMLIMIT", "GOMAXPROCS: Go 1.22.3 starts as many threads as its node has", "set it to 2, or build it with Go 1.25"}},
		"a Go without a limit":   {Runtime{Go, "go1.18", ""}, []string{"GOMEMLIMIT: Go 1.18 has none", "GOMAXPROCS"}},
		"a Go that heeds it":     {Runtime{Go, "go1.25.1", ""}, []string{"GOMEMLIMIT"}},
		"Node of any version":    {Runtime{Node, "", ""}, []string{"NODE_OPTIONS: its manifest gives the heap no size: Node.js 20.3 and later", "which it is is not known", "--max-old-space-size=384"}},
		"an early Node":          {Runtime{Node, "v18.20.4", ""}, []string{"NODE_OPTIONS: its manifest gives the heap no size: Node.js 18.20.4 does not heed a limit of cgroup v2"}},
		"a Node that heeds it":   {Runtime{Node, "v22.1.0", ""}, []string{"NODE_OPTIONS: its manifest gives the heap no size: Node.js 22.1.0 takes about half"}},
		"Java":                   {Runtime{Java, "", ""}, []string{"JAVA_TOOL_OPTIONS: its manifest gives the heap no size", "-XX:MaxRAMPercentage=75"}},
		"a Java that is unaware": {Runtime{Java, "11.0.13", ""}, []string{"JAVA_TOOL_OPTIONS: Java 11.0.13 does not heed a limit of cgroup v2", "-Xmx384m"}},
	} {
		o := Subject{Container: container("512Mi", "512Mi", "1", "2"), Runtime: c.of, Memory: flat(500 * mib)}
		var said []string
		for _, check := range o.runtimes(amounts(&o.Spec)) {
			said = append(said, check.Where+": "+check.Says+"; "+check.Do)
		}
		text := strings.Join(said, "\n")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: it lacks %q:\n%s", name, want, text)
			}
		}
		if (len(said) == 0) != (len(c.want) == 0) || strings.Contains(text, "GOMAXPROCS") != strings.Contains(strings.Join(c.want, " "), "GOMAXPROCS") {
			t.Errorf("%s:\n%s", name, text)
		}
		if a := Advise(o); a.Runtime != c.of || (c.of.Name == "") != strings.Contains(a.Runtime.Said(), "not known, so its heap") {
			t.Errorf("%s: it says %q", name, a.Runtime.Said())
		}
	}
}

// TestOfItsNode: a run that was killed as its node had no memory left is none that was killed at its limit.
func TestOfItsNode(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	pod.Spec.Containers = []corev1.Container{container("256Mi", "256Mi", "", "").Spec}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", StartedAt: metav1.NewTime(zero), FinishedAt: metav1.NewTime(zero.Add(time.Hour))}}}}
	for constraint, kills := range map[string]int{"CONSTRAINT_NONE": 0, "CONSTRAINT_MEMCG": 1} {
		f := evidence.Fact{Kind: evidence.Host, Source: evidence.FromKernel, About: evidence.RefOf(pod).InContainer("app").InAttempt(0), At: zero.Add(time.Hour), Name: "oom-kill", Text: "oom-kill: constraint=" + constraint + " task=app"}
		s := (&evidence.Snapshot{Taken: zero.Add(day), Has: evidence.Spec | evidence.Status | evidence.Host, Objects: []evidence.Object{pod}, Facts: []evidence.Fact{f}}).Freeze()
		a := Advise(Add(Read(s), s)[0])
		if a.Kills != kills || (a.Fix != nil) != (kills > 0) || strings.Count(strings.Join(a.Reasons, " "), "its node had no memory left") != 1-kills {
			t.Errorf("%s: %d kills, %+v, %q", constraint, a.Kills, a.Fix, a.Reasons)
		}
	}
}

// TestLooksAtWhatIsToBe: what is missing now and is proposed is not asked for again, and little room is told of where nothing is proposed.
func TestLooksAtWhatIsToBe(t *testing.T) {
	checks := func(o Subject) (where string) {
		for _, c := range Advise(o).Checks {
			where += c.Where + " "
		}
		return where
	}
	open := Subject{Container: container("", "", "", "")}
	if got := checks(open); got != "resources " {
		t.Errorf("with nothing set and measured: %q", got)
	}
	if open.Memory = flat(100 * mib); checks(open) != "" {
		t.Errorf("with a request that is proposed: %q", checks(open))
	}
	for value, want := range map[float64]bool{100 * mib: false, 125 * mib: true} {
		o := Subject{Container: container("64Mi", "128Mi", "", ""), Memory: []Series{{Samples: []Sample{{zero, value}}}}}
		if a := Advise(o); a.Fix != nil || strings.Contains(strings.Join(a.Reasons, " "), "of its limit of 128Mi: it may soon be killed") != want {
			t.Errorf("with %.0f: %q, %+v", value, a.Reasons, a.Fix)
		}
	}
}

// TestGrew: memory that grew for minutes before a kill gets more this once, with the word that it may be a leak; what grew for seconds does not get that word.
func TestGrew(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	pod.Spec.Containers = []corev1.Container{container("256Mi", "256Mi", "", "").Spec}
	end := zero.Add(time.Hour)
	killed := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", StartedAt: metav1.NewTime(zero), FinishedAt: metav1.NewTime(end)}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: killed}}
	for over, want := range map[time.Duration]bool{8 * time.Minute: true, 10 * time.Second: false} {
		f := evidence.Fact{Kind: evidence.Usage, Source: evidence.FromMetric, About: evidence.RefOf(pod).InContainer("app").InAttempt(0), At: end.Add(-over), Name: "began.memory", Value: 110 * mib}
		s := (&evidence.Snapshot{Taken: end, Has: evidence.Spec | evidence.Status | evidence.Usage, Objects: []evidence.Object{pod}, Facts: []evidence.Fact{f}}).Freeze()
		a := Advise(Add(Read(s), s)[0])
		if says := strings.Join(a.Reasons, "\n"); a.Proposed.LimitMemory != 356*mib || strings.Contains(says, "it grew by 110Mi over 8m0s, as with a leak") != want {
			t.Errorf("over %s: %+v\n%s", over, a.Proposed, says)
		}
	}
}

// TestAddMetrics: what the metrics API said later is of the run that the snapshot knows, and of no other workload.
func TestAddMetrics(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	pod.Spec.Containers = []corev1.Container{{Name: "app"}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(zero)}}}}
	s := (&evidence.Snapshot{Taken: zero, Has: evidence.Spec | evidence.Status, Objects: []evidence.Object{pod}}).Freeze()
	list := Read(s)
	var later []*metricsv1.PodMetrics
	for i, name := range []string{"web-1", "web-1", "web-1", "web-2"} {
		m := &metricsv1.PodMetrics{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Timestamp: metav1.NewTime(zero.Add(time.Duration(i/2) * time.Minute))}
		m.Containers = []metricsv1.ContainerMetrics{{Name: "app", Usage: corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("70Mi"), corev1.ResourceCPU: apiresource.MustParse("1")}}}
		later = append(later, m)
	}
	AddMetrics(list, s, later)
	if o := list[0]; len(list) != 1 || len(o.Memory) != 1 || len(o.Memory[0].Samples) != 2 || !o.Memory[0].Began.Equal(zero) || len(o.CPU[0].Samples) != 2 || !o.Short() {
		t.Errorf("%+v", o)
	}
}

// TestUnderAnHour: nothing gets less by a record that is shorter, however many samples it has, and a peak that the kernel counted of a longer run is not taken
// for page cache.
func TestUnderAnHour(t *testing.T) {
	few := flat(100 * mib)
	for i := range few[0].Samples {
		few[0].Samples[i].At = zero.Add(time.Duration(i) * 10 * time.Second)
	}
	of := func(request, limit string) Subject {
		return Subject{Container: container(request, limit, "500m", ""), Memory: few}
	}
	if a := Advise(of("1Gi", "1Gi")); !strings.HasPrefix(a.Enough, "not enough: 144 samples of its memory over 23m50s, and advice needs 24 over an hour") || a.Fix != nil {
		t.Errorf("of samples alone: %q, %+v", a.Enough, a.Fix)
	}
	watched := of("64Mi", "128Mi")
	watched.Peaks, watched.Watched = []Sample{{zero, 300 * mib}}, 3*day
	if a := Advise(watched); a.Proposed.LimitMemory != 330*mib || a.Peak != 300*mib || !strings.Contains(strings.Join(a.Reasons, " "), "in runs of up to 3 days, of which 23m50s are samples") {
		t.Errorf("of a peak above the limit: %+v, %q", a.Proposed, a.Reasons)
	}
	watched.Container = container("1Gi", "1Gi", "", "")
	if a := Advise(watched); a.Fix != nil && (a.Proposed.LimitMemory < 1024*mib || a.Proposed.RequestMemory < 1024*mib) {
		t.Errorf("of a peak below the limit: %+v", a.Proposed)
	}
}
