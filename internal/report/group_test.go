// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// TestGrouped checks what counts as the same: pods, runs and times may differ, and nothing else.
func TestGrouped(t *testing.T) {
	newCauses := func(change func(c *Cause)) []Cause {
		list := each([]diagnosis.Cause{memoryCause("web-1"), memoryCause("web-2")}, newCause)
		change(&list[1])
		return list
	}
	four := 4
	for name, c := range map[string]struct {
		change func(c *Cause)
		groups int
	}{
		"pod":        {func(*Cause) {}, 1},
		"run":        {func(c *Cause) { c.About.Attempt = &four }, 1},
		"time":       {func(c *Cause) { c.Message = strings.Replace(c.Message, "41s", "1m30.5s", 1) }, 1},
		"limit":      {func(c *Cause) { c.Message = strings.Replace(c.Message, "256Mi", "128Mi", 1) }, 2},
		"container":  {func(c *Cause) { c.About.Container = "side" }, 2},
		"namespace":  {func(c *Cause) { c.About.Namespace = "bank" }, 2},
		"confidence": {func(c *Cause) { c.Confidence = "likely" }, 2},
		"fix":        {func(c *Cause) { c.Fixes[0].Patch.Target.Name = "other" }, 2},
		"lead":       {func(c *Cause) { c.Leads = each([]diagnosis.Cause{memoryCause("web-2")}, newCause) }, 2},
	} {
		if got := len(grouped(newCauses(c.change))); got != c.groups {
			t.Errorf("with another %s there are %d groups, want %d", name, got, c.groups)
		}
	}
}

func TestOthers(t *testing.T) {
	var causes []Cause
	for _, name := range []string{"web-10", "web-2", "web-2", "web-1"} {
		c := memoryCause(name)
		causes = append(causes, newCause(&c))
	}
	causes[1].At = causes[1].At.Add(1)
	groups := grouped(causes)
	if got, want := groups[0].others(), "2 runs of it and in 2 more pods: web-1, web-10"; got != want {
		t.Errorf("others are %q, want %q", got, want)
	}
	if got, want := someOf([]string{"a", "b", "c", "d"}, 2), "a, b and 2 more"; got != want {
		t.Errorf("some are %q, want %q", got, want)
	}
}

func TestExplain(t *testing.T) {
	rule := &diagnosis.Rule{ID: "MEM001", Title: "Container exceeded its memory limit", Doc: "One paragraph\nof two lines that is\nlonger than a line.\n\n" +
		"- an item that is quite a bit longer than one line\n- another\n\n```sh\nkubectl get pods --all-namespaces --output wide\n```"}
	golden(t, "explain.txt", Explain(rule, 40))
}
