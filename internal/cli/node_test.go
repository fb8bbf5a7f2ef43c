// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

func TestNodeViews(t *testing.T) {
	now := time.Date(2026, 8, 24, 10, 0, 0, 0, time.UTC)
	of := evidence.RefTo("Pod", "shop", "web-0").InContainer("app")
	run := func(n int, state string, r record.Run) record.Entry {
		r.Of, r.State, r.ID = of.InAttempt(n), state, string(rune('a'+n))
		return record.Entry{Run: &r}
	}
	entries := []record.Entry{
		run(1, record.Exited, record.Run{Started: now.Add(-2 * time.Hour), Finished: now.Add(-time.Hour), ExitCode: 137, Reason: "Oops\x1b[31m", Log: true}),
		run(2, record.Running, record.Run{Started: now.Add(-time.Minute)}),
		run(0, record.Running, record.Run{Started: now.Add(-3 * time.Hour)}),
		run(0, record.Exited, record.Run{Started: now.Add(-3 * time.Hour), Finished: now.Add(-2 * time.Hour)}),
		{Fact: &evidence.Fact{About: evidence.RefTo("Node", "", "n1"), Name: "pids", Text: "200 of 1000"}},
		{Fact: &evidence.Fact{About: evidence.RefTo("Node", "", "n1"), Name: "disk.space", Text: "nodefs: 20480000000 bytes available of 20480000001"}},
	}
	for name, value := range map[string]float64{"usage.cpu": 0.25, "usage.memory": 5 << 20, "memory.peak": 12 << 20} {
		entries = append(entries, record.Entry{Fact: &evidence.Fact{About: of.InAttempt(2), Name: name, Value: value}})
	}
	for name, want := range map[string]string{
		"containers": `  CONTAINER  ATTEMPT  STATE    STARTED  CPU   MEMORY  PEAK
shop/web-0
  app        2        running  60s ago  0.25  5Mi     12Mi
`,
		"attempts": `  CONTAINER  ATTEMPT  STATE                    STARTED   RAN  LOG
shop/web-0
  app        0        exited 0                 3h ago    60m  -
  app        1        exited 137 Oops\x1b[31m  120m ago  60m  kept
  app        2        running                  60s ago   -    -
`,
		"saturation": "RESOURCE    NOW\npids        200 of 1000\ndisk.space  nodefs: 19Gi bytes available of 19Gi\n",
	} {
		var b strings.Builder
		views[name].show(&b, entries, now)
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var b strings.Builder
	if views["containers"].show(&b, nil, now); b.String() != "none that you may see\n" {
		t.Errorf("of nothing it shows %q", b.String())
	}
}

func TestGapsOf(t *testing.T) {
	var b strings.Builder
	p := &program{}
	p.ErrOut = &b
	var entries []record.Entry
	for i := range 50 {
		entries = append(entries, record.Entry{Gap: &record.Gap{About: evidence.RefTo("Node", "", "n1"), What: "logs", Count: int64(i / 2), Unit: "bytes", Why: "rotated\x1b[2J"}})
	}
	if err := p.gapsOf(entries); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if len(lines) != mostGaps+2 || lines[mostGaps-1] != `not seen of node/n1: logs: rotated\x1b[2J (24 bytes), 2 times` || lines[mostGaps] != "and 5 more gaps: -o json has them" {
		t.Errorf("got %d lines:\n%s", len(lines), b.String())
	}
}

func TestNodeArguments(t *testing.T) {
	p := &program{name: "inquest"}
	for args, want := range map[string]string{
		"": "name the node: inquest node NAME", "n1 satur": `did you mean "saturation"?`, "n1 pods": "expected one of containers, attempts, saturation",
		"n1/x": `"n1/x" is not the name of a node`, "../pods": "is not the name", "..": "is not the name", "node/": "is not the name", "pod/web-0": "is not the name",
		"n1 containers shop": `unexpected argument "shop"`, "n1%2f..": "is not the name", "node/n1": "", "no/n1 attempts": "", "n1": "", "node.example": "",
	} {
		_, _, err := p.viewOf(strings.Fields(args))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", args, err, want)
		}
	}
}
