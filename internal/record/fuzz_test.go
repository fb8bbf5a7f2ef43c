// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzEntry: what was read of a line, from a disk or an agent, is the same when it is written and read again.
func FuzzEntry(f *testing.F) {
	for _, line := range []string{
		`{"seq":1,"at":"2026-01-02T03:04:05.000000006Z","pod":"u","fact":{"kind":"host","source":"kernel","about":{"kind":"Pod","namespace":"a","name":"b","container":"c","attempt":3},"at":"2026-01-02T03:04:05Z","where":"trace","text":"x","name":"signal-host","value":9}}`,
		`{"seq":2,"at":"2026-01-02T03:04:05Z","run":{"id":"i","state":"exited","exitCode":137,"command":["/app"]},"runOf":{"kind":"Pod","name":"b"}}`,
		`{"seq":3,"gap":{"what":"kernel","count":4,"unit":"records","why":"overrun"},"gapOf":{"kind":"Node","name":"n1"}}`,
		`{"seq":0,"pod":"u","log":{"text":"a\nb","missing":"the first lines"},"logOf":{"kind":"Pod","namespace":"a","name":"b","container":"c","attempt":3}}`,
		`{"seq":7,"fact":{"source":"rumour"}}`, `{"run":null,"runOf":{}}`, `[]`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var e, again Entry
		if json.Unmarshal(line, &e) != nil {
			return
		}
		_ = e.About()
		data, err := json.Marshal(e)
		if err != nil {
			return // a year that JSON has no form for
		}
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		things := 0
		for _, is := range []bool{e.Fact != nil, e.Run != nil, e.Gap != nil, e.Log != nil} {
			if is {
				things++
			}
		}
		if things > 1 { // no agent writes two things in one entry
			return
		}
		if diff := cmp.Diff(e, again, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s (-first +second):\n%s", data, diff)
		}
	})
}

// FuzzCourse: what is read of a course is bounded and a number, and is the same when it is written and read again.
func FuzzCourse(f *testing.F) {
	until := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Add("working set in KiB, by seconds before: 590 10240, 0 20480")
	f.Add("x, by seconds before: NaN 1, 1 Inf, -1 1, 1e9 1, 1 -1, 0x1p3 1e3, 3")
	f.Fuzz(func(t *testing.T, text string) {
		steps := ReadCourse(until, text)
		if len(steps) > mostSteps {
			t.Fatalf("%d steps", len(steps))
		}
		for i := range steps {
			if v := steps[i].Value; !(v >= 0) || math.IsInf(v, 0) || steps[i].At.After(until) || until.Sub(steps[i].At) > 1e6*time.Second {
				t.Fatalf("read %v", steps[i])
			}
		}
		written := Course("x", until, steps)
		if again := Course("x", until, ReadCourse(until, written)); again != written {
			t.Fatalf("%s was read as %s", written, again)
		}
	})
}
