// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

// TestHistoryShowsGaps: an incident is shown with the times in which something was not seen.
func TestHistoryShowsGaps(t *testing.T) {
	file := historyOf(t, []string{"shop"})
	s, err := history.Open(t.Context(), file, history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	err = s.Gaps(t.Context(),
		history.Gap{Cluster: "c", What: "nothing was heard of pods\x1b[31m", From: now.Add(-time.Minute), To: now},
		history.Gap{Cluster: "c", What: "no recorder ran", From: now.Add(-2 * time.Minute)},
		history.Gap{Cluster: "c", Namespace: "bank", What: "vault", From: now.Add(-2 * time.Minute)},
		history.Gap{Cluster: "c", What: "long ago", From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Beat(t.Context(), "c", now.Add(-2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	in, err := s.Incidents(t.Context(), history.Filter{})
	if err != nil || len(in.Items) != 1 {
		t.Fatal(in, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	show := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if got := Main(t.Context(), append([]string{"history", "show", in.Items[0].ID, "--db", file}, args...), strings.NewReader(""), &out, &out); got != 0 {
			t.Fatalf("exit status %d: %s", got, out.String())
		}
		return out.String()
	}
	text := show("-n", "shop")
	for _, want := range []string{"UNSEEN FROM", now.Add(-time.Minute).Format(time.RFC3339) + "  " + now.Format(time.RFC3339) + "  nothing was heard of pods\\x1b[31m", "still                 no recorder ran", "still                 no recorder gave a sign of life"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in %q", want, text)
		}
	}
	if strings.Contains(text, "long ago") || strings.Contains(text, "vault") {
		t.Errorf("what is not of it is shown: %s", text)
	}
	var all shownIncident
	if err := json.Unmarshal([]byte(show("-o", "json")), &all); err != nil || len(all.Gaps) != 4 || all.Incident.ID != in.Items[0].ID || len(all.Deaths) != 1 {
		t.Errorf("as JSON it is %+v, %v", all, err)
	}
}
