// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 23, 18, 1, 2, 123456789, time.UTC)
	for in, want := range map[string]struct {
		at   time.Time
		text string
	}{
		"2026-11-23T18:01:02.123456789Z text":      {at, "text"},
		"2026-11-23T18:01:02.123456789Z   text ":   {at, "  text "},
		"2026-11-23T18:01:02.123456789Z ":          {at, ""},
		"2026-11-23T18:01:02.123456789Z":           {at, ""},
		"2026-11-23T20:01:02.123456789+02:00 text": {at, "text"},
		"2026-11-23T18:01:02Z text":                {at.Truncate(time.Second), "text"},
		"2026-11-23T18:01:02.12345678Z text":       {at.Truncate(10), "text"},
		"2026-11-23T18:01:02.123456789Z\ttext":     {time.Time{}, "2026-11-23T18:01:02.123456789Z\ttext"},
		"2026-13-23T18:01:02Z text":                {time.Time{}, "2026-13-23T18:01:02Z text"},
		"2026-11-23 18:01:02 text":                 {time.Time{}, "2026-11-23 18:01:02 text"},
		"text":                                     {time.Time{}, "text"},
		"":                                         {time.Time{}, ""},
	} {
		got, text := Parse(in)
		if !got.Equal(want.at) || text != want.text {
			t.Errorf("Parse(%q) is %v, %q", in, got, text)
		}
	}
}

// TestHostile feeds what no program should print. That it ends soon is seen in the time that the test takes.
func TestHostile(t *testing.T) {
	repeat := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	for name, log := range map[string]string{
		"long line":         "error: " + repeat("x ", 64<<20),
		"long JSON":         `{"level":"error","msg":"` + repeat("x ", 8<<20),
		"error after it":    repeat("x ", 8<<20) + "\nerror: last",
		"no bytes":          repeat("\x00", 1<<20) + "\nerror: \x00\x00",
		"invalid UTF-8":     "error: " + repeat("\xff\xc3", 64<<10),
		"escape sequences":  "error: " + repeat("\x1b[31", 64<<10) + "\nerror",
		"nested objects":    `{"level":"error","error":` + repeat(`{"error":`, 64<<10),
		"tracebacks":        repeat("Traceback (most recent call last):\n", 1<<20),
		"panics":            repeat("panic: x\n", 1<<20),
		"stacks":            repeat("java.lang.Error: x\n\tat a.b(C.java:1)\n", 1<<20),
		"one stack":         "java.lang.Error: x\n" + repeat("\tat a.b(C.java:1)\n", 1<<20),
		"errors":            repeat("ERROR x\n", 1<<20),
		"blank then errors": repeat("panic: \n\n\n\n\n", 1<<20),
		"carriage returns":  "error: x\r" + repeat("\r", 8<<10) + "failed",
	} {
		b, ok := Find(log)
		if !ok {
			t.Errorf("%s: nothing found", name)
			continue
		}
		bounded(t, b, log)
	}
}

func TestCarriageReturns(t *testing.T) {
	for log, want := range map[string]string{
		"ready\r\nERROR: no such printer\r\n":                            "ERROR: no such printer",
		"fetching 10%\rfetching 100%\rerror: checksum of model is wrong": "error: checksum of model is wrong",
	} {
		if b, _ := Find(log); b.Headline != want {
			t.Errorf("Find(%q) has the headline %q", log, b.Headline)
		}
	}
}

// TestWindow looks for the right numbers of lines in a log of which only the end is looked at.
func TestWindow(t *testing.T) {
	var log strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&log, "line %d of a log that is too long\n", i)
	}
	log.WriteString("panic: out of luck\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:3 +0x1\n")
	b, ok := Find(log.String())
	if !ok || b.Kind != GoPanic || b.First != 40_000 || b.Last != 40_004 {
		t.Errorf("found %v %+v", ok, b)
	}
}

// TestKept checks that both the beginning of a long block and its headline are among the lines that are kept.
func TestKept(t *testing.T) {
	var log strings.Builder
	log.WriteString("Traceback (most recent call last):\n")
	for i := range 500 {
		fmt.Fprintf(&log, "  File \"/app/deep.py\", line %d, in deep\n    deep(n - 1)\n", i)
	}
	log.WriteString("RecursionError: maximum recursion depth exceeded\n")
	b, _ := Find(log.String())
	if len(b.Lines) != maxLines || b.Lines[0] != "Traceback (most recent call last):" || b.Lines[maxLines-1] != b.Headline {
		t.Errorf("kept %d lines, headline %q, last %q", len(b.Lines), b.Headline, b.Lines[len(b.Lines)-1])
	}
	if b.Location != "deep (/app/deep.py:499)" {
		t.Errorf("location %q", b.Location)
	}
}
