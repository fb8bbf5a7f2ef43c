// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// startup proposes a startup probe that asks what the liveness probe asks, for five minutes.
func startup(p *diagnosis.Pass, f failing) diagnosis.Fix {
	return diagnosis.Fix{
		Title: fmt.Sprintf("Give %s up to 5m to start, with a startup probe that asks the same (%s)", p.About().Container, target(f.probe)), Risk: diagnosis.Restart,
		Patch: p.PatchContainer(map[string]any{"startupProbe": startsLike(f.probe, false)}),
	}
}

// startsLike returns a startup probe with the question of another probe, in the place of one that opens a connection.
func startsLike(probe *corev1.Probe, instead bool) map[string]any {
	fields := map[string]any{}
	data, err := json.Marshal(probe.ProbeHandler)
	if err != nil || json.Unmarshal(data, &fields) != nil {
		return nil // cannot happen: it came from JSON
	}
	fields["periodSeconds"], fields["failureThreshold"] = 10, 30
	if instead {
		fields["tcpSocket"] = nil // a patch would leave what was there
	}
	return fields
}

func moreTries(p *diagnosis.Pass, f failing, n int32) diagnosis.Fix {
	title := fmt.Sprintf("Let the %s of %s fail %d times before it acts, instead of %d", words[f.field], p.About().Container, n, max(f.probe.FailureThreshold, 1))
	if f.field == "startupProbe" {
		title = fmt.Sprintf("Give %s twice the time to start: failureThreshold %d instead of %d", p.About().Container, n, max(f.probe.FailureThreshold, 1))
	}
	return diagnosis.Fix{Title: title, Risk: diagnosis.Restart, Patch: p.PatchContainer(map[string]any{f.field: map[string]any{"failureThreshold": n}})}
}

// lookInto is what to look at where the program itself is at fault.
func lookInto(p *diagnosis.Pass, f failing) diagnosis.Fix {
	name, about := p.About().Container, p.About()
	fix := diagnosis.Fix{
		Title:   fmt.Sprintf("Find out why %s does not answer its %s (%s): the log of that attempt ends with it", name, words[f.field], target(f.probe)),
		Command: fmt.Sprintf("kubectl -n %s logs %s -c %s --previous --tail=50", about.Namespace, about.Name, name),
	}
	if !f.killed {
		fix.Title = fmt.Sprintf("Find out what %s waits for before it is ready", name)
		fix.Command = strings.Replace(fix.Command, " --previous", "", 1)
	}
	return fix
}

// portAlone asks whether the port of a gRPC probe is open, and no more.
func portAlone(p *diagnosis.Pass, f failing) diagnosis.Fix {
	return diagnosis.Fix{
		Title: fmt.Sprintf("Let the %s of %s ask for its port alone (tcpSocket), until the server tells its health", words[f.field], p.About().Container), Risk: diagnosis.Restart,
		Patch: p.PatchContainer(map[string]any{f.field: map[string]any{"grpc": nil, "tcpSocket": map[string]any{"port": f.probe.GRPC.Port}}}),
	}
}
