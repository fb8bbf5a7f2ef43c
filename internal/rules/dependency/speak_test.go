// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

var (
	shop   = evidence.RefTo("Pod", "shop", "api").InContainer("app").InAttempt(2)
	ended  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	before = ended.Add(-time.Second)
)

// TestWords: an end by the program's own doing is the second fact; one from outside, or none, is not.
func TestWords(t *testing.T) {
	for _, test := range []struct {
		code     int
		finished time.Time
		want     diagnosis.Confidence
	}{
		{1, ended, diagnosis.Likely}, {0, ended, diagnosis.Possible}, {137, ended, diagnosis.Possible},
		{143, ended, diagnosis.Possible}, {0, time.Time{}, diagnosis.Possible},
	} {
		c := call{said: "boom", run: evidence.Attempt{Of: shop, ExitCode: test.code, Finished: test.finished}}
		if got := c.words("it is full").Confidence; got != test.want {
			t.Errorf("exit code %d at %s: %s, want %s", test.code, test.finished, got, test.want)
		}
	}
}

// TestWordsAreTimed: as the line is, unless the clock of the node's log is ahead of the kubelet's.
func TestWordsAreTimed(t *testing.T) {
	for line, want := range map[time.Time]time.Time{before: before, {}: ended, ended.Add(time.Second): ended} {
		c := call{block: signature.Block{At: line}, run: evidence.Attempt{Of: shop, ExitCode: 1, Finished: ended}}
		if got := c.words("").At; !got.Equal(want) {
			t.Errorf("a line at %s: %s, want %s", line, got, want)
		}
	}
}

func TestWhat(t *testing.T) {
	for target, want := range map[string]string{"db:5432": "Service db of namespace data on port 5432", "db": "Service db of namespace data"} {
		c := call{Dependency: signature.Dependency{Target: target}, run: evidence.Attempt{Of: shop}, meant: evidence.RefTo("Service", "data", "db")}
		if got := c.what(); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
		c.meant = evidence.Ref{}
		if got := c.what(); got != target {
			t.Errorf("%s: %q, want %q", target, got, target)
		}
	}
}

// TestLineFact: what is said may be a part of a line, several lines in one, or a line with other spaces in it.
func TestLineFact(t *testing.T) {
	lines := []string{"starting", "fatal:   connect to db:", "  dial tcp 10.0.0.1:5432: connect: connection refused", "bye"}
	for said, want := range map[string]string{
		"connect: connection refused": lines[2],
		"fatal: connect to db:":       lines[1],
		"fatal: connect to db: dial tcp 10.0.0.1:5432: connect: connection refused": lines[2],
		"nowhere": "nowhere",
	} {
		c := call{said: said, block: signature.Block{Lines: lines}, run: evidence.Attempt{Of: shop}}
		if got := c.lineFact().Text; got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

// TestLine: an error of several lines may name what was called in any of them.
func TestLine(t *testing.T) {
	c := call{
		Dependency: signature.Dependency{Target: "10.0.0.1:5432"}, said: "cannot start",
		block: signature.Block{Headline: "cannot start", Lines: []string{"cannot start", " dial tcp 10.0.0.1:5432: connection refused", "10.0.0.1 it was"}},
	}
	if c.line(); c.said != "dial tcp 10.0.0.1:5432: connection refused" {
		t.Errorf("%q", c.said)
	}
}
