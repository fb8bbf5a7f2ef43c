// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func pasted(text string) *part {
	t := &paste{}
	for line := range strings.Lines(printable(text)) {
		t.add(line)
	}
	return t.end()
}

func TestPodRows(t *testing.T) {
	for status, want := range map[string]struct {
		phase   corev1.PodPhase
		waiting string
		code    int32
	}{
		"1/1 Running 0":                        {corev1.PodRunning, "", -1},
		"0/1 CrashLoopBackOff 5_(2m_ago)":      {corev1.PodRunning, "CrashLoopBackOff", -1},
		"0/1 ImagePullBackOff 0":               {corev1.PodPending, "ImagePullBackOff", -1},
		"0/1 ContainerCreating 0":              {corev1.PodPending, "ContainerCreating", -1},
		"0/1 Pending 0":                        {corev1.PodPending, "", -1},
		"0/1 OOMKilled 2_(3s_ago)":             {corev1.PodRunning, "", 137},
		"0/1 Completed 0":                      {corev1.PodSucceeded, "", 0},
		"0/1 ExitCode:3 1":                     {corev1.PodRunning, "", 3},
		"0/1 Signal:9 1":                       {corev1.PodRunning, "", 137},
		"0/1 Evicted 0":                        {corev1.PodFailed, "", -1},
		"0/1 Init:CrashLoopBackOff 3_(5s_ago)": {corev1.PodPending, "PodInitializing", -1},
		"0/1 Init:0/2 0":                       {corev1.PodPending, "PodInitializing", -1},
		"0/1 Error 0":                          {corev1.PodPending, "Error", -1},
	} {
		cells := strings.Fields(status)
		line := strings.Join([]string{"web-0", cells[0], cells[1], strings.ReplaceAll(cells[2], "_", " "), "5m"}, "   ")
		p := pasted("NAME   READY   STATUS   RESTARTS   AGE\n" + line + "\n")
		if len(p.objects) != 1 {
			t.Errorf("%s: %d objects, %v", status, len(p.objects), p.notices)
			continue
		}
		pod := p.objects[0].object.(*corev1.Pod)
		waiting, code := "", int32(-1)
		for _, st := range pod.Status.ContainerStatuses {
			if st.State.Waiting != nil {
				waiting = st.State.Waiting.Reason
			}
			if st.State.Terminated != nil {
				code = st.State.Terminated.ExitCode
			}
		}
		if pod.Status.Phase != want.phase || waiting != want.waiting || code != want.code {
			t.Errorf("%s: phase %s, waiting %q, exit code %d", status, pod.Status.Phase, waiting, code)
		}
	}
}

// TestTables reads what kubectl prints in its many forms.
func TestTables(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"wide":            {"NAMESPACE   NAME    READY   STATUS    RESTARTS   AGE   IP         NODE   NOMINATED NODE   READINESS GATES   LABELS\nshop        web-0   1/1     Running   0          5m    10.0.0.1   n1     <none>           <none>            app=web\n", "pod/web-0"},
		"bare":            {"shop   web-0   0/1   CrashLoopBackOff   1 (8s ago)   12s   10.0.0.1   n1   <none>   <none>   app=web\n", "pod/web-0"},
		"all":             {"NAME        READY   STATUS    RESTARTS   AGE\npod/web-0   1/1     Running   0          5m\n\nNAME                  READY   UP-TO-DATE   AVAILABLE   AGE\ndeployment.apps/web   1/2     2            1           5m\n\nNAME                             DESIRED   CURRENT   READY   AGE\nreplicaset.apps/web-7d9f8b6c5d   2         2         1       5m\n", "pod/web-0 deployment/web replicaset/web-7d9f8b6c5d"},
		"nodes":           {"$ kubectl get nodes\nNAME   STATUS                        ROLES    AGE   VERSION\nn1     NotReady,SchedulingDisabled   <none>   11m   v1.30.0\n", "node/n1"},
		"claims":          {"NAME   STATUS    VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   VOLUMEATTRIBUTESCLASS   AGE\ndata   Pending                                      fast           <unset>                 5m\n", "persistentvolumeclaim/data"},
		"old deployments": {"NAME   DESIRED   CURRENT   UP-TO-DATE   AVAILABLE   AGE\nweb    3         3         3            0           5m\n", "deployment/web"},
		"others":          {"NAME   DATA   AGE\nsettings   1   5m\n", ""},
		"errors":          {"Error from server (Forbidden): nodes is forbidden\nNAME   STATUS   AGE\nshop   Active   5m\n", "namespace/shop"},
	} {
		var names []string
		for _, f := range pasted(c.text).objects {
			names = append(names, evidence.RefOf(f.object).String())
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	d := pasted("NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES\nweb    1/2     2            1           5m    app          web:1\n").objects[0].object.(*appsv1.Deployment)
	if *d.Spec.Replicas != 2 || d.Status.UnavailableReplicas != 1 || d.Spec.Template.Spec.Containers[0].Image != "web:1" {
		t.Errorf("deployment %+v", d)
	}
}

func TestEventTables(t *testing.T) {
	for name, text := range map[string]string{
		"plain":     "LAST SEEN   TYPE      REASON    OBJECT      MESSAGE\n5m          Warning   BackOff   pod/web-0   Back-off restarting failed container\n",
		"wide":      "LAST SEEN   TYPE      REASON    OBJECT      SUBOBJECT                 SOURCE        MESSAGE                                FIRST SEEN   COUNT   NAME\n5m          Warning   BackOff   pod/web-0   spec.containers{app}      kubelet, n1   Back-off restarting failed container   10m          7       web-0.17\n",
		"all":       "NAMESPACE   LAST SEEN   TYPE      REASON    OBJECT      MESSAGE\nshop        5m          Warning   BackOff   pod/web-0   Back-off restarting failed container\n",
		"events":    "LAST SEEN           TYPE      REASON    OBJECT      MESSAGE\n5m (x7 over 10m)    Warning   BackOff   Pod/web-0   Back-off restarting failed container\n",
		"old":       "LAST SEEN   FIRST SEEN   COUNT   NAME           KIND   SUBOBJECT              TYPE      REASON    SOURCE        MESSAGE\n5m          10m          7       web-0.17f3a    Pod    spec.containers{app}   Warning   BackOff   kubelet, n1   Back-off restarting failed container\n",
		"no header": "5m          Warning   BackOff   pod/web-0   Back-off restarting failed container\n",
	} {
		p := pasted(text)
		if len(p.events) != 1 {
			t.Errorf("%s: %d Events, %v", name, len(p.events), p.notices)
			continue
		}
		e := p.events[0]
		if e.about.Object().Name != "web-0" || e.about.Kind != "Pod" || e.reason != "BackOff" || e.last.d != 5*time.Minute || e.message != "Back-off restarting failed container" {
			t.Errorf("%s: %+v", name, e)
		}
		if many := name == "wide" || name == "events" || name == "old"; many != (e.count == 7 && e.first.d == 10*time.Minute) {
			t.Errorf("%s: %d times since %s", name, e.count, e.first.d)
		}
	}
}

func TestTop(t *testing.T) {
	s, err := pipeOf(t, "NAMESPACE   POD     NAME   CPU(cores)   MEMORY(bytes)\nshop        web-0   app    12m          200Mi\nshop        web-0   side   1m           10Mi\n")
	if err != nil || namesOf(s) != "podmetrics/web-0" || s.Has&evidence.Usage == 0 {
		t.Errorf("%v, %v", s, err)
	}
}

func TestAges(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"45s": 45 * time.Second, "5m10s": 310 * time.Second, "3d4h": 76 * time.Hour, "2y10d": 740 * 24 * time.Hour, "8s ago": 8 * time.Second,
	} {
		if got := parseAge(text); got.d != want || !got.known {
			t.Errorf("%s is read as %s", text, got.d)
		}
	}
	for _, text := range []string{"", "<unknown>", "<invalid>", "5", "5x", "s", "99999999999s", "999999999y"} {
		if got := parseAge(text); got.known {
			t.Errorf("%s is read as %s", text, got.d)
		}
	}
}

func FuzzTable(f *testing.F) {
	seeds(f, "get.txt")
	seeds(f, "all.txt")
	f.Add("NAME  READY  STATUS  RESTARTS  AGE\nä  1/1  Running  1 (3s ago)  5m\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := pasted(text)
		p.settle(noon())
		for _, found := range p.objects {
			if _, err := encodeObject(found.object); err != nil {
				t.Errorf("it cannot be written: %v", err)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	seeds(f, "events.txt")
	seeds(f, "events-wide.txt")
	seeds(f, "events-new.txt")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range pasted(text).events {
			if o := coreEvent(e, noon()); o.Count < 1 || o.FirstTimestamp.After(o.LastTimestamp.Time) {
				t.Errorf("Event %+v", o)
			}
		}
	})
}
