// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCSV(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"web: exit 3":                 "web: exit 3",
		`=HYPERLINK("http://e","x")`:  `'=HYPERLINK("http://e","x")`,
		"+1+cmd|' /C calc'!A0":        "'+1+cmd|' /C calc'!A0",
		"-2+3":                        "'-2+3",
		"@SUM(A1)":                    "'@SUM(A1)",
		"\t=1":                        "'=1",
		"\r=1":                        "'=1",
		"  =1":                        "  '=1",
		`"=1`:                         `"'=1`,
		"＝1":                          "'＝1",
		"a;=1;b":                      "a;'=1;b",
		`a; "@x`:                      `a; "'@x`,
		"a-b=c@d+e":                   "a-b=c@d+e",
		"two\nlines,\x1b[31m \u202ex": `two\nlines,\x1b[31m \u202ex`,
	} {
		var b strings.Builder
		if err := CSV(&b, [][]string{{"what", text}, {text, "what"}}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		if diff := cmp.Diff([][]string{{"what", want}, {want, "what"}}, rows); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
