// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
	"text/tabwriter"
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
	}
	for name, want := range map[string]string{
		"containers": `NAMESPACE   POD     CONTAINER   ATTEMPT   STATE     EXIT   REASON   STARTED   RAN   LOG
shop        web-0   app         2         running   -      -        60s ago   -     -
`,
		"attempts": `NAMESPACE   POD     CONTAINER   ATTEMPT   STATE     EXIT   REASON         STARTED    RAN   LOG
shop        web-0   app         0         exited    0      -              3h ago     60m   -
shop        web-0   app         1         exited    137    Oops\x1b[31m   120m ago   60m   kept
shop        web-0   app         2         running   -      -              60s ago    -     -
`,
		"saturation": "RESOURCE   ABOUT     NOW\npids       node/n1   200 of 1000\n",
	} {
		var b strings.Builder
		w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
		views[name].show(w, entries, now)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
