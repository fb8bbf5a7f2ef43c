// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestExamineNamesWhatLogsLack(t *testing.T) {
	whole := evidence.RefTo("Pod", "shop", "web-0").InContainer("app").InAttempt(0)
	cut := evidence.RefTo("Pod", "shop", "web-1").InContainer("app").InAttempt(0)
	forbidden := evidence.Gap{Kind: evidence.Events, Why: "forbidden"}
	s := (&evidence.Snapshot{
		Gaps: []evidence.Gap{forbidden},
		Logs: []evidence.Log{{Of: whole, Text: "a"}, {Of: cut, Text: "b", Missing: "everything before the last 256 KiB"}},
	}).Freeze()
	want := []evidence.Gap{forbidden, {
		Kind: evidence.Logs, About: cut, Why: "everything before the last 256 KiB was not read",
	}}
	if diff := cmp.Diff(want, diagnosis.Examine(s, nil).Gaps); diff != "" {
		t.Errorf("gaps differ (-want +got):\n%s", diff)
	}
	if len(s.Gaps) != 1 {
		t.Error("the snapshot has changed")
	}
}
