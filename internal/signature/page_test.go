// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pagePath = "../../docs/signatures.md"

// TestPageIsCurrent compares the page with the signatures.
func TestPageIsCurrent(t *testing.T) {
	want := page()
	if *update {
		if err := os.WriteFile(pagePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the signatures say; run make generate (-signatures +page):\n%s", pagePath, diff)
	}
}

// page lists the signatures by problem.
func page() string {
	var b strings.Builder
	fmt.Fprintf(&b, pageHead, len(All()))
	for _, problem := range slices.Sorted(maps.Keys(Problems)) {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n| id | of | what the line says |\n|---|---|---|\n", problem, sentence(Problems[problem]))
		for _, s := range All() {
			if s.Problem == problem {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.ID, strings.Join(s.Products, ", "), strings.ReplaceAll(s.Meaning, "|", `\|`))
			}
		}
	}
	return b.String()
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

const pageHead = `<!-- Generated from internal/signature/data; do not edit. -->
# Signatures

%d messages that Inquest knows, by the problem that they tell of. A log line is what a program chose to print: a signature
explains it, and proves nothing.

## Add one

A signature is an entry in a file of ` + "`internal/signature/data`" + `, and nothing else:

| field | what it is |
|---|---|
| ` + "`id`" + ` | product and problem, ` + "`pg-auth-failed`" + `; never used twice |
| ` + "`products`" + ` | which products, libraries or languages print it; ` + "`any`" + ` when most do |
| ` + "`problem`" + ` | one of the headings below |
| ` + "`general`" + ` | true when many print it, so that a signature of one product comes first |
| ` + "`literals`" + ` | a line each: texts of four bytes and more, of which one must be in the log line, in any case of letters. Without quotes, backslashes and angle brackets, which JSON writes otherwise |
| ` + "`pattern`" + ` | an RE2 expression that the line must match too; left out when the literals say enough |
| ` + "`meaning`" + ` | what the line says, in one sentence |
| ` + "`look`" + ` | where to look next |
| ` + "`fix`" + ` | what ends it; begins with a verb |
| ` + "`source`" + ` | where the texts were looked up: product and file of its source, or its manual; left out when they were not |
| ` + "`match`" + ` | lines on which it must hit, as programs print them |
| ` + "`miss`" + ` | its closest look-alikes, on which it must not |

` + "`make generate test`" + ` writes this page and tries every line, plain, in JSON and in logfmt.
`
