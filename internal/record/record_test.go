// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestEntryRoundTrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	run := evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(3)
	for name, e := range map[string]Entry{
		"fact": {Seq: 1, At: at, Fact: &evidence.Fact{Kind: evidence.Host, Source: evidence.FromKernel, About: run, At: at, Where: "trace", Text: "x", Name: "signal-host", Value: 9}},
		"run":  {Seq: 2, At: at, PodUID: "u", Run: &Run{Of: run, ID: "i", State: Exited, ExitCode: 137, Started: at, Finished: at, Command: []string{"/app"}}},
		"log":  {Seq: 4, At: at, PodUID: "u", Log: &Log{Of: run, Text: "a\nb\n", Missing: "the first lines"}},
		"gap":  {Seq: 3, At: at, Gap: &Gap{About: evidence.RefTo("Node", "", "n1"), What: "kernel", From: at, To: at, Count: 4, Unit: "records", Why: "overrun"}},
	} {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got Entry
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if diff := cmp.Diff(e, got); diff != "" || strings.Contains(string(data), "\n") {
			t.Errorf("%s: %s (-want +got):\n%s", name, data, diff)
		}
		if got.About() != e.About() || got.About() == evidence.Cluster {
			t.Errorf("%s is about %s", name, got.About())
		}
	}
	var e Entry
	if err := json.Unmarshal([]byte(`{"seq":7,"fact":{"source":"rumour"}}`), &e); err == nil || !strings.Contains(err.Error(), "entry 7") {
		t.Errorf("an unknown source gives %v", err)
	}
}
