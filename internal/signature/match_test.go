// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func ids(hits []Hit) []string {
	var list []string
	for _, h := range hits {
		list = append(list, fmt.Sprintf("%d %s", h.Number, h.Signature.ID))
	}
	return list
}

func TestHits(t *testing.T) {
	log := `2026-11-23T18:01:02.123456789Z starting
2026-11-23T18:01:03.123456789Z {"level":"error","msg":"connect","error":{"message":"dial tcp 10.0.0.5:5432: connect: connection refused"},"sql":"no space left on device"}
2026-11-23T18:01:04.123456789Z FATAL:  password authentication failed for user "app"
bye
`
	hits := Hits(log)
	if diff := cmp.Diff([]string{"2 pg-auth-failed", "1 net-connection-refused"}, ids(hits)); diff != "" {
		t.Fatalf("hits (-want +got):\n%s", diff)
	}
	want := Hit{hits[0].Signature, `FATAL:  password authentication failed for user "app"`, 2, time.Date(2026, 11, 23, 18, 1, 4, 123456789, time.UTC)}
	if hits[0] != want {
		t.Errorf("hit %+v", hits[0])
	}
}

// TestHitsOfOne keeps one loud message from hiding all others.
func TestHitsOfOne(t *testing.T) {
	log := "no space left on device\n" + strings.Repeat("connection refused\n", 1000)
	want := []string{"1000 net-connection-refused", "999 net-connection-refused", "998 net-connection-refused", "997 net-connection-refused",
		"996 net-connection-refused", "0 sys-no-space"}
	if diff := cmp.Diff(want, ids(Hits(log))); diff != "" {
		t.Errorf("hits (-want +got):\n%s", diff)
	}
}

// TestHostileHits feeds what makes much work. That it ends soon is seen in the time that the test takes.
func TestHostileHits(t *testing.T) {
	var all strings.Builder
	for _, s := range All() {
		all.WriteString(strings.Join(s.Literals, " ") + " ")
	}
	for _, log := range []string{
		strings.Repeat(all.String(), 1<<20/all.Len()),
		strings.Repeat(clip(all.String(), 400)+"\n", 1<<12),
		strings.Repeat("a", 8<<20),
		`{"level":"error","msg":"` + strings.Repeat(all.String(), 20) + `"}`,
		strings.Repeat("\n", 1<<20),
	} {
		boundedHits(t, Hits(log), log)
		if _, err := Scan(strings.NewReader(log)); err != nil {
			t.Error(err)
		}
	}
}

// TestSignatureOfBlock checks that a block has the signature of its headline, or else of its other lines.
func TestSignatureOfBlock(t *testing.T) {
	for log, want := range map[string]string{
		"ERROR cannot save: write /data/x: no space left on device":                                                                "sys-no-space",
		"org.x.Boot: no\n\tat a.B.c(B.java:3)\nCaused by: org.postgresql.util.PSQLException: FATAL: role \"a\" does not exist":     "pg-role-missing",
		"Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    import x\nKeyError: 'DATABASE_URL'": "py-key-error-environ",
		`{"level":"fatal","msg":"listen","err":"listen tcp :80: bind: permission denied"}`:                                         "net-bind-denied",
		"ERROR no such printer": "",
	} {
		b, ok := Find(log)
		if !ok {
			t.Errorf("nothing found in %q", log)
		}
		got := ""
		if b.Signature != nil {
			got = b.Signature.ID
		}
		if got != want {
			t.Errorf("signature %q of %q, want %q", got, log, want)
		}
	}
}

// stream is a log that is longer than Scan holds at a time.
func stream() string {
	var b strings.Builder
	for i := range 60_000 {
		switch {
		case i%1000 == 7:
			fmt.Fprintf(&b, "2026-11-23T18:01:02Z ERROR write /data/%d: no space left on device\n", i)
		case i%5000 == 9:
			fmt.Fprintf(&b, `{"level":"error","msg":"connect","err":"dial tcp 10.0.0.5:%d: connect: connection refused"}`+"\n", i)
		default:
			fmt.Fprintf(&b, "2026-11-23T18:01:02Z INFO request %d done in 3 ms\n", i)
		}
	}
	return b.String()
}

func TestScan(t *testing.T) {
	log := stream()
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(log), "halves": iotest.HalfReader(strings.NewReader(log)), "last with end": iotest.DataErrReader(strings.NewReader(log)),
		"no last break": strings.NewReader(strings.TrimSuffix(log, "\n")),
	} {
		tally, err := Scan(r)
		if err != nil || tally.Lines != 60_000 || tally.Passed != 0 || len(tally.Counts) != 2 {
			t.Fatalf("%s: %v, %d lines, %d passed over, %d signatures", name, err, tally.Lines, tally.Passed, len(tally.Counts))
		}
		full, refused := tally.Counts[0], tally.Counts[1]
		if full.Signature.ID != "sys-no-space" || full.Lines != 60 || full.First.Number != 7 || full.Last.Number != 59_007 || full.Last.At.IsZero() {
			t.Errorf("%s: %+v", name, full)
		}
		if refused.Signature.ID != "net-connection-refused" || refused.Lines != 12 || refused.First.Number != 9 || refused.Last.Number != 55_009 {
			t.Errorf("%s: %+v", name, refused)
		}
	}
}

func TestScanError(t *testing.T) {
	want := errors.New("gone")
	r := io.MultiReader(strings.NewReader("no space left on device\n"), iotest.ErrReader(want))
	tally, err := Scan(r)
	if !errors.Is(err, want) || len(tally.Counts) != 1 {
		t.Errorf("error %v, %d counts", err, len(tally.Counts))
	}
}

func FuzzHits(f *testing.F) {
	for _, log := range logs(f) {
		f.Add(log)
	}
	for _, s := range All() {
		f.Add(strings.Join(s.Match, "\n"))
	}
	f.Fuzz(func(t *testing.T, log string) {
		hits := Hits(log)
		boundedHits(t, hits, log)
		if diff := cmp.Diff(ids(hits), ids(Hits(log))); diff != "" {
			t.Fatalf("differs the second time: %s", diff)
		}
		tally, err := Scan(strings.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		if len(log) > chunkSize || tally.Passed > 0 {
			return
		}
		if len(hits) > 0 && (len(tally.Counts) == 0 || tally.Counts[0].Last.Number != hits[0].Number) {
			t.Errorf("the last hit is in line %d, Scan has %+v", hits[0].Number, tally.Counts)
		}
	})
}

func boundedHits(t *testing.T, hits []Hit, log string) {
	t.Helper()
	if len(hits) > mostHits {
		t.Errorf("%d hits", len(hits))
	}
	for i, h := range hits {
		if len(h.Line) > maxLine || !utf8.ValidString(h.Line) || h.Number < 0 || h.Number > strings.Count(log, "\n") {
			t.Errorf("line %d: %q", h.Number, h.Line)
		}
		if i > 0 && h.Number > hits[i-1].Number {
			t.Errorf("line %d after line %d", h.Number, hits[i-1].Number)
		}
	}
}
