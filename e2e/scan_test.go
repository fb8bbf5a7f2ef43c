// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kubeinquest/inquest/e2e/faults"
)

// TestScanLive: of a program that starts more slowly than its liveness probe allows, the manifest that was applied is told, by what the
// cluster says, that its missing startup probe explains restarts.
func TestScanLive(t *testing.T) {
	t.Parallel()
	f, err := faults.Find("liveness-slow-start")
	if err != nil {
		t.Fatal(err)
	}
	c := establish(t, f, "e2e-scan-live")
	text, err := f.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(t.TempDir(), "app.yaml")
	if err := os.WriteFile(manifest, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), inquest, "scan", manifest, "-n", c.Namespace, "--live", "-o", "json", "--kubeconfig", credentials(t, f.Ask))
	var out, notes bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &notes
	if err := cmd.Run(); err != nil {
		t.Fatalf("inquest scan: %v: %s", err, notes.String())
	}
	var said struct {
		NotPriced []string `json:"costNotChecked"`
		Findings  []struct {
			Rule, Cost                    string
			Deaths, CauseKnown, Explained int
		}
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s%s", out.String(), notes.String())
	for _, finding := range said.Findings {
		if finding.Rule == "PRB103" && finding.Explained > 0 && finding.Explained <= finding.CauseKnown && finding.CauseKnown <= finding.Deaths && len(said.NotPriced) == 0 {
			return
		}
	}
	t.Errorf("no restart is laid to the missing startup probe: %+v", said)
}
