// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCatalogue checks every signature, and that it hits the lines that it must and none that it must not.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range All() {
		if seen[s.ID] {
			t.Errorf("%s: there are two of that id", s.ID)
		}
		seen[s.ID] = true
		wellFormed(t, s)
		for _, line := range s.Match {
			mustHit(t, s, line)
		}
		for _, line := range s.Miss {
			if slices.Contains(hitsOf(line), s) {
				t.Errorf("%s hits its look-alike: %s", s.ID, line)
			}
		}
	}
	if len(seen) < 200 {
		t.Errorf("%d signatures", len(seen))
	}
}

func mustHit(t *testing.T, s *Sig, line string) {
	t.Helper()
	for form, dressed := range dress(t, line) {
		if !slices.Contains(hitsOf(dressed), s) {
			t.Errorf("%s does not hit, %s: %s", s.ID, form, dressed)
		}
	}
	if !holdsAny(line, s.Literals) {
		t.Errorf("%s: no literal in %s", s.ID, line)
	}
}

func hitsOf(line string) []*Sig {
	var found []*Sig
	for _, h := range Hits(line) {
		found = append(found, h.Signature)
	}
	return found
}

// dress puts a message into the forms in which loggers write it.
func dress(t *testing.T, line string) map[string]string {
	quoted, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{"plain": line, "stamped": "2026-11-23T18:01:02.123456789Z " + line}
	if _, ok := structured(line); !ok && !strings.HasPrefix(line, "{") {
		forms["JSON"] = `{"level":"error","ts":"2026-11-23T18:01:02Z","msg":` + string(quoted) + `}`
		forms["JSON error"] = `{"level":"error","msg":"failed","error":{"type":"E","message":` + string(quoted) + `}}`
		forms["logfmt"] = `ts=2026-11-23T18:01:02Z level=error msg=failed err=` + string(quoted)
	}
	return forms
}

func holdsAny(line string, literals []string) bool {
	return slices.ContainsFunc(literals, func(l string) bool { return strings.Contains(strings.ToLower(line), strings.ToLower(l)) })
}

var (
	idForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	// escaped are the bytes that JSON may write otherwise than they are: a literal with one would not be found.
	escaped = regexp.MustCompile(`["\\<>&]|[^ -~]`)
)

func wellFormed(t *testing.T, s *Sig) {
	t.Helper()
	if !idForm.MatchString(s.ID) || len(s.Products) == 0 || Problems[s.Problem] == "" {
		t.Errorf("%s: products %v, problem %q", s.ID, s.Products, s.Problem)
	}
	if _, err := regexp.Compile(s.Pattern); err != nil {
		t.Errorf("%s: %v", s.ID, err)
	}
	for _, l := range s.Literals {
		if len(l) < 4 || !strings.ContainsAny(strings.ToLower(l), letters[1:]) || escaped.MatchString(l) || strings.TrimSpace(l) != l {
			t.Errorf("%s: literal %q", s.ID, l)
		}
	}
	for _, text := range []string{s.Meaning, s.Look, s.Fix} {
		if len(text) < 10 || strings.HasSuffix(text, ".") || strings.Contains(text, "  ") {
			t.Errorf("%s: %q", s.ID, text)
		}
	}
	if s.Fix[0] < 'A' || s.Fix[0] > 'Z' {
		t.Errorf("%s: the fix must begin with a verb, as a sentence: %q", s.ID, s.Fix)
	}
	if len(s.Match) == 0 || s.Match[0] == "" || len(s.Miss) == 0 || s.Miss[0] == "" {
		t.Errorf("%s: %d lines to match, %d to miss", s.ID, len(s.Match), len(s.Miss))
	}
}

// TestMostTelling checks that a signature is the first one that its own lines hit, or that a more telling one is.
func TestMostTelling(t *testing.T) {
	for _, s := range All() {
		for _, line := range s.Match {
			if found := hitsOf(line); len(found) > 0 && found[0] != s && found[0].General && !s.General {
				t.Errorf("%s comes before %s: %s", found[0].ID, s.ID, line)
			}
		}
	}
}

// TestQuietOnHealthyLines takes lines of normal operation.
func TestQuietOnHealthyLines(t *testing.T) {
	for _, line := range []string{
		"level=info msg=\"check done\" errors=0 failed=0",
		"GET /healthz 200 1ms",
		"2026-11-23 18:01:02.123 UTC [1] LOG:  database system is ready to accept connections",
		"I1123 18:01:02.123456       1 leaderelection.go:260] successfully acquired lease kube-system/x",
		"[18:01:02] server 2.1 ready, listening on :8080",
		"1:M 23 Nov 2026 18:01:02.123 * Ready to accept connections tcp",
		"[2026-11-23 18:01:02,123] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)",
		`{"level":"info","ts":1732384862.1,"msg":"serving","addr":":8080"}`,
		"Started ShopApplication in 3.21 seconds (process running for 3.9)",
		"INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)",
		"10.244.0.1 - - [23/Nov/2026:18:01:02 +0000] \"GET /login HTTP/1.1\" 401 12 \"-\" \"curl\"",
	} {
		if found := hitsOf(line); found != nil {
			t.Errorf("%s hits %s", found[0].ID, line)
		}
	}
}

func TestProblem(t *testing.T) {
	for log, want := range map[string]string{
		`FATAL: password authentication failed for user "app"`:                             Credentials,
		"panic: close of closed channel\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1": Crash,
		`error: cannot reach queue: dial tcp 10.0.0.1:1: connect: connection refused`:      NetworkRefused,
		`ERROR no such printer`: "",
	} {
		b, _ := Find(log)
		if got := Problem(b); got != want {
			t.Errorf("Problem is %q of %q, want %q", got, log, want)
		}
	}
	for _, p := range ofDependency {
		if Problems[p] == "" {
			t.Errorf("unknown problem %q", p)
		}
	}
}
