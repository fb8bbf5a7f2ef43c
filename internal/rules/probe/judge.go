// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// A failing is a probe that fails, with what tells why.
type failing struct {
	verdict
	field  string // of the container: "livenessProbe"
	probe  *corev1.Probe
	always bool // it has not succeeded once in this run, as far as can be told
	before bool // it has succeeded in this run
	lived  time.Duration
	killed bool // the kubelet has ended the container for it
}

// An advice is what the failure points to, as the end of a sentence, and what remedies it.
type advice struct {
	text  string
	fixes []diagnosis.Fix
	sure  bool // a time-out whose remedy is not in the program
}

// judge says what a failing probe points to. It knows the spec only, so it never says more than that it points there.
func judge(p *diagnosis.Pass, f failing) advice {
	look := lookInto(p, f)
	if f.probe == nil || f.probe.ProbeHandler == (corev1.ProbeHandler{}) { // kubectl describe does not tell each
		return advice{fixes: []diagnosis.Fix{look}}
	}
	var a advice
	switch f.kind {
	case status:
		a = judgeStatus(p, f)
	case refused:
		a = judgeRefused(p, f)
	case timedOut:
		a = judgeTimeout(p, f)
	case wantsTLS, wantsPlain:
		a = judgeScheme(p, f)
	case noPort:
		a = judgePort(p, f, "so it has never been asked")
	case noCommand:
		a = advice{text: "so it says nothing about the program", fixes: []diagnosis.Fix{{
			Title: fmt.Sprintf("Ask with a command that the image of %s has, or over HTTP or TCP", p.About().Container),
		}}}
	case unreachable:
		a = advice{fixes: []diagnosis.Fix{{
			Title:   fmt.Sprintf("Look at the network plugin and the firewall of node %s: its kubelet finds no way to the pod", p.NodeName()),
			Command: "kubectl get pods -n kube-system -o wide --field-selector spec.nodeName=" + p.NodeName(),
		}}}
	case noHealth:
		a = judgeHealth(p, f)
	}
	if f.field == "startupProbe" && f.killed && a.fixes == nil {
		a.fixes = []diagnosis.Fix{look, moreTries(p, f, 2*max(f.probe.FailureThreshold, 1))}
	}
	if f.field == "livenessProbe" && f.probe.FailureThreshold == 1 {
		a.fixes = append(a.fixes, moreTries(p, f, 3))
	}
	if a.fixes == nil || f.kind == timedOut && !a.sure {
		a.fixes = append([]diagnosis.Fix{look}, a.fixes...)
	} else if a.text != "" {
		a.fixes = append(a.fixes, look)
	}
	return a
}

func judgeHealth(p *diagnosis.Pass, f failing) advice {
	a := advice{fixes: []diagnosis.Fix{{Title: "Register grpc.health.v1.Health in the server"}}}
	if f.probe.GRPC != nil {
		a.fixes = append([]diagnosis.Fix{portAlone(p, f)}, a.fixes...)
	}
	return a
}

// judgeStatus tells a path that the program does not have from an answer that is its own.
func judgeStatus(p *diagnosis.Pass, f failing) advice {
	if !f.always {
		return advice{}
	}
	name := p.About().Container
	switch f.code {
	case "404", "405", "410":
		a := advice{
			text: "from the first try on, so the program most likely has no such path",
			fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Let the %s of %s ask for a path that the program has, instead of %s", words[f.field], name, f.probe.HTTPGet.Path),
			}},
		}
		if other := answered(p, f); other != "" {
			a.fixes[0].Title = fmt.Sprintf("Let the %s of %s ask for %s, which answers its readiness probe, instead of %s", words[f.field], name, other, f.probe.HTTPGet.Path)
			a.fixes[0].Risk = diagnosis.Restart
			a.fixes[0].Patch = p.PatchContainer(map[string]any{f.field: map[string]any{"httpGet": map[string]any{"path": other}}})
		}
		return a
	case "401", "403":
		return advice{text: "from the first try on, so that path most likely wants credentials, which a probe does not have", fixes: []diagnosis.Fix{{
			Title: fmt.Sprintf("Let the %s of %s ask for a path that is open to everybody, or send a header with httpHeaders", words[f.field], name),
		}}}
	case "400":
		return advice{text: "from the first try on, as a port that speaks TLS answers a request in plain text, or a server that knows no such host name"}
	}
	return advice{}
}

// sinceStart says that the probe has never succeeded in this run, which goes without saying of a startup probe.
func sinceStart(f failing) advice {
	if f.field == "startupProbe" {
		return advice{}
	}
	return advice{text: "from the first try on"}
}

// answered returns the path of the readiness probe where that differs and is answered well.
func answered(p *diagnosis.Pass, f failing) string {
	ready := p.Spec().ReadinessProbe
	if ready == nil || ready.HTTPGet == nil || !p.Status().Ready || ready.HTTPGet.Path == f.probe.HTTPGet.Path {
		return ""
	}
	return ready.HTTPGet.Path
}

// judgeRefused tells a wrong port from a program that does not listen yet and one that no longer does.
func judgeRefused(p *diagnosis.Pass, f failing) advice {
	if undeclared(p, f.probe) {
		return judgePort(p, f, "")
	}
	switch {
	case f.before:
		return advice{text: "though it had been answered before in this run"}
	case !f.always, f.killed && listens.MatchString(p.Log().Text):
		return advice{}
	case f.field == "livenessProbe" && p.Spec().StartupProbe == nil:
		return advice{
			text:  fmt.Sprintf("and it did not listen within the %s that the probe gives it to start", f.lived.Round(time.Second)),
			fixes: []diagnosis.Fix{startup(p, f)},
		}
	}
	return sinceStart(f)
}

// judgeTimeout tells a probe that waits for too short a time, and one that begins too early, from a program that hangs.
func judgeTimeout(p *diagnosis.Pass, f failing) advice {
	var a advice
	startsWith, early := p.Spec().StartupProbe, f.always && f.field == "livenessProbe"
	switch {
	case early && startsWith == nil:
		a.text = "from the first try on, so it may start more slowly than the probe allows"
		a.fixes = append(a.fixes, startup(p, f))
	case early && startsWith.TCPSocket != nil && f.probe.TCPSocket == nil:
		a.sure, a.text = true, "soon after each start: its startup probe only opens a connection, and passes before the program can answer"
		a.fixes = append(a.fixes, diagnosis.Fix{
			Title: fmt.Sprintf("Let the startup probe of %s ask what its liveness probe asks (%s)", p.About().Container, target(f.probe)), Risk: diagnosis.Restart,
			Patch: p.PatchContainer(map[string]any{"startupProbe": startsLike(f.probe, true)}),
		})
	}
	if f.probe.TimeoutSeconds <= 1 {
		a.fixes = append(a.fixes, diagnosis.Fix{
			Title: fmt.Sprintf("Give the %s of %s 5s instead of 1s to answer", words[f.field], p.About().Container), Risk: diagnosis.Restart,
			Patch: p.PatchContainer(map[string]any{f.field: map[string]any{"timeoutSeconds": 5}}),
		})
	}
	return a
}
