// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestExportIsABundle: what the console gives of an incident is read as the evidence of its deaths, by who may see all of it and by who
// may see a part.
func TestExportIsABundle(t *testing.T) {
	access, _, _ := clusterAccess(t, nil)
	var all []history.Death
	for n, pod := range []string{"web-0", "web-1"} {
		d := died("shop", "web", n)
		d.Of.Name, d.PodUID = pod, pod
		d.Verdict.Message = "container app waited for pod vault-0, which was down"
		d.Verdict.Bundle = map[string][]byte{
			"meta.yaml":                     []byte("format: 1\ntaken: 2026-05-01T12:00:0" + pod[4:] + "Z\nhas: [spec, status]\nasked: [{kind: Pod, namespace: shop, name: " + pod + "}]\n"),
			"objects/shop/pod/web-0.yaml":   []byte("apiVersion: v1\nkind: Pod\nmetadata: {namespace: shop, name: " + pod + "}\n"),
			"objects/bank/pod/vault-0.yaml": []byte("apiVersion: v1\nkind: Pod\nmetadata: {namespace: bank, name: vault-0}\n"),
		}
		all = append(all, d)
	}
	c := consoleWith(t, access, all...)
	h, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Store.Gaps(t.Context(), history.Gap{Cluster: all[0].Cluster, What: "the watch of pods broke off at vault-0", From: noon, To: noon.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	page, err := c.Store.Incidents(t.Context(), history.Filter{})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	for who, objects := range map[string]int{"admin": 2, "sue": 1} {
		status, body, _ := getAs(t, h, http.Header{"Authorization": {"Bearer :" + who}}, "/incidents/"+page.Items[0].ID+"/bundle.zip")
		if status != http.StatusOK || strings.Contains(unzipped(t, body), "vault-0") != (who == "admin") || strings.Contains(unzipped(t, body), `"Narrowed"`) != (who == "sue") ||
			strings.Contains(unzipped(t, body), `"What": "`+interrupted) != (who == "sue") {
			t.Errorf("%s: status %d, %.300s", who, status, unzipped(t, body))
		}
		file := filepath.Join(t.TempDir(), "case.zip")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := collect.Open(file, collect.Reading{})
		if err != nil {
			t.Fatal(err)
		}
		for _, sel := range []evidence.Selection{{}, {Ref: evidence.RefTo("Pod", "shop", "web-0")}} {
			s, err := source.Snapshot(t.Context(), sel)
			if err != nil || len(s.Objects) != objects {
				t.Errorf("%s reads %v: %+v, %v", who, sel, s, err)
			}
		}
	}
}
