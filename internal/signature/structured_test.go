// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"slices"
	"strings"
	"testing"
)

// TestStructured reads where loggers put what is wrong.
func TestStructured(t *testing.T) {
	for line, want := range map[string]string{
		// MongoDB up to 6 and since 7 (src/mongo/db/storage/wiredtiger/wiredtiger_util.cpp)
		`{"t":{"$date":"2026-11-23T18:01:02.123+00:00"},"s":"E","c":"WT","id":22435,"ctx":"WTCheck","msg":"WiredTiger error","attr":{"error":28,"message":"[1:2][1:0x7f] WT_SESSION.checkpoint: __posix_file_write, 579: /data/db/x.wt: No space left on device"}}`:                                                                            "WiredTiger error: [1:2][1:0x7f] WT_SESSION.checkpoint: __posix_file_write, 579: /data/db/x.wt: No space left on device",
		`{"t":{"$date":"2026-11-23T18:01:02.123+00:00"},"s":"E","c":"WT","id":22435,"msg":"WiredTiger error message","attr":{"error":28,"message":{"ts_sec":1,"thread":"1:0x7f","category_id":9,"verbose_level":"ERROR","msg":"__posix_file_write:569:/data/db/x.wt: pwrite: failed","error_str":"No space left on device","error_code":28}}}`: "WiredTiger error message: __posix_file_write:569:/data/db/x.wt: pwrite: failed: No space left on device",
		`{"s":"E","msg":"WiredTiger error","attr":{"error":28}}`:                                                   "WiredTiger error: 28",
		`{"attr":{"message":"no space left"},"s":"E","msg":"WiredTiger error"}`:                                    "WiredTiger error: no space left",
		`{"severity":"ERROR","jsonPayload":{"message":"cannot save","error":"disk full"}}`:                         "cannot save: disk full",
		`{"level":"error","message":"save failed","meta":{"message":"by cron","error":"disk full"}}`:               "save failed: disk full",
		`{"level":"error","message":"save failed","properties":{"Exception":"System.IO.IOException: disk full"}}`:  "save failed: System.IO.IOException: disk full",
		`{"level":"error","msg":"query","errors":[{"message":"no such table"},{"message":"and more"}]}`:            "query: no such table",
		`{"level":"error","msg":"query","err":{"code":1,"errno":2,"errorMessage":"no such table"}}`:                "query: no such table",
		`{"level":"error","msg":"save","error":"5","error.msg":"disk full"}`:                                       "save: disk full",
		`{"level":"info","msg":"saved","attr":{"message":"in 5 ms"}}`:                                              "saved: in 5 ms",
		`{"level":"info","fields":{"message":"saved"},"target":"app"}`:                                             "saved",
		`{"level":"error","msg":"save: disk full","error":"disk full"}`:                                            "save: disk full",
		`{"level":"error","message":{"message":{"message":{"message":{"message":{"message":"deep"}}}}},"msg":"x"}`: "x",
	} {
		e, ok := structured(line)
		if got := e.text(); !ok || got != want {
			t.Errorf("%q (%v) of %s\nwant %q", got, ok, line, want)
		}
	}
}

// TestNestedErrorsHit finds signatures in what hangs below the message, wherever a logger puts it.
func TestNestedErrorsHit(t *testing.T) {
	const full = "write /data/x: no space left on device"
	for _, line := range []string{
		`{"s":"E","msg":"WiredTiger error","attr":{"error":28,"message":"` + full + `"}}`,
		`{"s":"E","msg":"WiredTiger error","attr":{"error":28,"message":{"msg":"write","error_str":"no space left on device"}}}`,
		`{"level":"error","msg":"save","error":{"message":"failed","stack":"Error: ` + full + `\n    at f (a.js:1:2)"}}`,
		`{"level":"error","msg":"save","err":{"msg":"` + full + `"}}`,
		`{"level":"error","msg":"save","exception.message":"` + full + `"}`,
		`{"level":"error","msg":"save","exception":{"message":"` + full + `"}}`,
		`{"level":"error","msg":"save","exc_info":"Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nOSError: ` + full + `"}`,
		`{"level":"error","msg":"save","stacktrace":["Error: ` + full + `","    at f (a.js:1:2)"]}`,
		`{"level":"error","msg":"save","error":"failed","errorVerbose":"` + full + `\nmain.save\n\t/app/main.go:3"}`,
	} {
		if got := ids(Hits(line)); !slices.Contains(got, "0 sys-no-space") {
			t.Errorf("hits %q of %s", got, line)
		}
	}
	for _, line := range []string{
		`{"level":"error","msg":"save","sql":"` + full + `"}`,
		`{"level":"info","msg":"save","context":{"message":"` + full + `"}}`,
		`{"level":"error","msg":"save","tags":["` + full + `"]}`,
	} {
		if got := ids(Hits(line)); len(got) > 0 {
			t.Errorf("hits %q of %s", got, line)
		}
	}
}

// TestHostileStructured feeds lines that nest or never end. That it ends soon is seen in the time that the test takes.
func TestHostileStructured(t *testing.T) {
	for _, unit := range []string{`{"error":`, `{"attr":{"message":`, `[{"error":[`, `{"stack":["`, `{"stack":["a",`, `"`, `{"msg":"\`} {
		for range 100 {
			for _, head := range []string{"{", `{"level":"error","err":`} {
				if e, _ := structured(head + strings.Repeat(unit, maxMatch/len(unit))); len(e.text()) > 4*maxMatch {
					t.Errorf("%d bytes of text of %q again and again", len(e.text()), unit)
				}
			}
		}
	}
}
