// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestTimes(t *testing.T) {
	facts := []evidence.Fact{{Text: "Failed to update lease"}, {Text: "Failed to update lease (and 40 more before it)"}}
	if got, want := times(facts), ", 42 times"; got != want {
		t.Errorf("times = %q, want %q", got, want)
	}
}
