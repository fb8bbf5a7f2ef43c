// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"strings"
	"testing"
)

// TestPaths: a status that says that the path is wrong is told, unless the same question was answered at another time.
func TestPaths(t *testing.T) {
	status := func(kind, code string) sceneEvent {
		return sceneEvent{kind + " probe failed: HTTP probe failed with statuscode: " + code, 4, 24, 3}
	}
	ended := sceneEvent{"Container app failed liveness probe, will be restarted", 25, 25, 0}
	other := ask(0, 5, 1, 3)
	other.HTTPGet.Path = "/readyz"
	alone, both := Probes{Liveness: ask(0, 10, 1, 3)}, Probes{Liveness: ask(0, 10, 1, 3), Readiness: other}
	away := sceneEvent{"Readiness probe warning: Probe terminated redirects, Response body: moved", 4, 290, 30}
	for name, c := range map[string]struct {
		scene           scene
		field, says, do string // of the check; "": none
		verdict         string
	}{
		"no such path":             {scene{probes: alone, age: 60, ended: 30, events: []sceneEvent{status("Liveness", "404"), ended}}, "livenessProbe", "the server answers 404 at /healthz: no probe setting helps", "correct the path", "the server answers 404 at /healthz: no probe setting helps"},
		"and one that there is":    {scene{probes: both, age: 60, ready: 21, started: true, events: []sceneEvent{status("Liveness", "404")}}, "", "", "", ""},
		"beside one that there is": {scene{probes: both, age: 60, ended: 30, ready: 45, started: true, events: []sceneEvent{{status("Liveness", "404").message, 4, 55, 6}, ended}}, "livenessProbe", "no probe setting helps", "correct the path: /readyz is known to be answered", "the server answers 404"},
		"may be soon":              {scene{probes: alone, age: 20, events: []sceneEvent{status("Liveness", "404")}}, "", "", "", "not enough"},
		"wants credentials":        {scene{probes: alone, age: 60, ended: 30, events: []sceneEvent{status("Liveness", "401"), ended}}, "livenessProbe", "which wants credentials", "ask for a path that is open", "the server answers 401"},
		"the program's own":        {scene{probes: alone, age: 60, ended: 30, events: []sceneEvent{status("Liveness", "503"), ended}}, "", "", "", "not enough"},
		"not ready yet":            {scene{probes: both, age: 300, started: true, ready: 31, events: []sceneEvent{status("Readiness", "404")}}, "", "", "", "not enough"},
		"never ready":              {scene{probes: both, age: 300, started: true, events: []sceneEvent{status("Readiness", "404")}}, "readinessProbe", "the server answers 404 at /readyz", "correct the path: /healthz is known to be answered", "not enough"},
		"leads elsewhere":          {scene{probes: both, age: 300, started: true, ready: 6, events: []sceneEvent{away}}, "readinessProbe", "a redirect to another host, which a kubelet counts as success", "answers itself", "not enough"},
	} {
		t.Run(name, func(t *testing.T) {
			a := Advise(Read(c.scene.snapshot())[0])
			var got Check
			for _, check := range a.Checks {
				if strings.Contains(check.Says, "the server answers") {
					got = check
				}
			}
			if got.Field != c.field || !strings.Contains(got.Says, c.says) || !strings.Contains(got.Do, c.do) {
				t.Errorf("it says %+v", got)
			}
			if !strings.HasPrefix(a.Enough, c.verdict) || strings.Contains(a.Enough, "give it more time") && c.field != "" {
				t.Errorf("the verdict is %q", a.Enough)
			}
		})
	}
}
