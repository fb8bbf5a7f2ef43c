// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestLastSaid(t *testing.T) {
	one, other := evidence.Log{Text: "start\n10:02:11 cannot reach db-7\n"}, evidence.Log{Text: "begin\n11:40:00 cannot reach db-12"}
	if lastSaid(one) != lastSaid(other) || lastSaid(one) == lastSaid(evidence.Log{Text: "cannot open file"}) {
		t.Errorf("%q and %q", lastSaid(one), lastSaid(other))
	}
}
