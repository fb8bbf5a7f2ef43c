// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestWriteItem: a finding is indented as encoding/json would, with all that may be said of it and with the least.
func TestWriteItem(t *testing.T) {
	all := Finding{
		Tool: Ours, Rule: "RES101", Title: "a <title>", Severity: Error, Message: "a \"message\"", Fix: "a fix", File: "a.yaml", Line: 3, Column: 5,
		About: evidence.Ref{Kind: "Pod", Namespace: "shop", Name: "web", Container: "app"}, Fingerprint: "0123", Also: []string{"trivy KSV018", "checkov CKV_K8S_13"},
		Waived: "it is", Known: true, Cost: Cost{Deaths: 3, Known: 2, Explained: 1}, field: "resources",
	}
	for _, tt := range []struct {
		f      *Finding
		fields int
	}{{&all, 22}, {&Finding{Also: []string{"one"}}, 8}, {&Finding{}, 7}} {
		var got, want bytes.Buffer
		writeItem(&got, tt.f)
		if err := json.Indent(&want, got.Bytes(), "    ", "  "); err != nil || got.String() != want.String() {
			t.Errorf("a finding is written as\n%s\nexpected\n%s, %v", got.String(), want.String(), err)
		}
		var fields map[string]any
		if err := json.Unmarshal(got.Bytes(), &fields); err != nil || len(fields) != tt.fields {
			t.Errorf("%d fields of %v, expected %d: %v", len(fields), fields, tt.fields, err)
		}
	}
}

// TestQuote: texts are written as encoding/json writes them.
func TestQuote(t *testing.T) {
	for _, text := range []string{"", "plain, ~", `a "word" \ <b>&`, "line\nline\t", "é \u2028", "\xff", "\x7f"} {
		var b bytes.Buffer
		quote(&b, text)
		if want, _ := json.Marshal(text); b.String() != string(want) {
			t.Errorf("%q is written as %s, expected %s", text, b.String(), want)
		}
	}
}
