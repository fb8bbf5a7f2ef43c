// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestSearchTellsNothing: what is hidden in texts about one's own is not found by its name either, nor by how it begins.
func TestSearchTellsNothing(t *testing.T) {
	access, a, _ := clusterAccess(t, nil)
	a.may["two"] = []string{"shop", "bank"}
	own := func(name, text string, n int) history.Death {
		d := died("shop", name, n)
		d.Verdict.Message, d.Verdict.Report = text, []byte(strings.ReplaceAll(string(d.Verdict.Report), `"Message":"`+name, `"Message":"`+text))
		d.Verdict.Thing = evidence.RefTo("Deployment", "shop", name)
		return d
	}
	h := consoleOf(t, access, own("till", "till was refused by db.bank.svc, of bank/vault-0", 1), own("bankclient", "bankclient gave up", 2), died("bank", "vault-0", 3))
	found := func(who, text string) (n int) {
		code, body, _ := getAs(t, h, http.Header{"Authorization": {"Bearer :" + who}}, "/search?format=json&q="+text)
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", text, code, body)
		}
		return strings.Count(body, `"id": "`)
	}
	for text, want := range map[string][2]int{ // found by who may see both, and by who may see the shop alone
		"refused": {1, 1}, "till": {1, 1}, "gave": {1, 1}, "till+refused": {1, 1},
		"bankclient": {1, 1}, "bankc": {1, 1}, "db.bank.svc": {1, 0}, "bank": {3, 1}, "ban": {3, 1}, "refused+bank": {1, 0}, "bank/vault-0": {1, 0}, "refused+ban": {1, 0},
	} {
		if got := [2]int{found("two", text), found("sue", text)}; got != want {
			t.Errorf("%s is found %v times, expected %v", text, got, want)
		}
	}
}
