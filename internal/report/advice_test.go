// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// someAdvice has text that would act on a terminal in every place that a cluster fills.
func someAdvice() []Advice {
	const evil = "\x1b[2Jx\nerror: y"
	about := evidence.RefTo("Deployment", "shop", "web")
	fix := &diagnosis.Fix{Title: "Give " + evil + " up to 36s to start", Risk: diagnosis.Restart, Patch: &diagnosis.Patch{
		Target: about, Type: diagnosis.Strategic, Data: `{"spec":{"template":{"spec":{"containers":[{"name":"app","startupProbe":{"failureThreshold":19}}]}}}}`,
	}}
	a := NewAdvice("probes", about.InContainer(evil), time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), fix)
	ten := 10.0
	a.Verdict, a.Rests = "the present probes end 7 of 19 starts", []string{"it rests on 19 starts of 6 pods, between Monday and Thursday, all of which became healthy in the end"}
	a.Figures = []Figure{{Name: "a start may take", Now: &ten, Shown: [2]string{"10s", "36s"}}, {Name: "until a hang is noticed", Shown: [2]string{"never", "31s"}}}
	a.Reasons, a.Checks = []string{"the longest start took 24s" + evil}, []AdviceCheck{{"livenessProbe", "it asks " + evil, "ask less"}}
	a.Fields = map[string]any{"startupProbe": map[string]any{"failureThreshold": 19, "exec": evil}}
	return []Advice{a, NewAdvice("probes", about, a.Taken, nil)}
}

// TestAdviceText: it fits 80 columns but for the command, which is to be pasted, and nothing of it acts on a terminal.
func TestAdviceText(t *testing.T) {
	text := AdviceText(someAdvice(), Options{})
	for _, want := range []string{"a start may take         10s    36s", "fix: Give", "startupProbe:\n", "kubectl -n shop patch deployment/web --type strategic", "look at"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if length(strings.TrimRight(line, "\n")) > 80 && !strings.Contains(line, "--patch") {
			t.Errorf("too long: %s", line)
		}
		if strings.HasPrefix(line, "error: ") || strings.ContainsRune(line, '\x1b') {
			t.Errorf("%q acts on a terminal", line)
		}
	}
}

// TestAdviceForms: as JSON and YAML it is the same, one as it is and several as a list, without anything that acts on a terminal.
func TestAdviceForms(t *testing.T) {
	for n, kind := range map[int]string{1: "Advice", 2: "AdviceList"} {
		js, err := AdviceJSON(someAdvice()[:n])
		if err != nil {
			t.Fatal(err)
		}
		y, err := AdviceYAML(someAdvice()[:n])
		if err != nil {
			t.Fatal(err)
		}
		var a, b struct{ Kind string }
		if err := json.Unmarshal(js, &a); err != nil || a.Kind != kind {
			t.Errorf("%v: kind %q, want %q", err, a.Kind, kind)
		}
		if err := yaml.Unmarshal(y, &b); err != nil || b.Kind != kind {
			t.Errorf("%v: kind %q, want %q", err, b.Kind, kind)
		}
		if strings.ContainsRune(string(js)+string(y), '\x1b') {
			t.Error("it acts on a terminal")
		}
	}
}
