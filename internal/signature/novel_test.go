// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const healthyLog = `2026-11-23T18:01:02.123456789Z INFO server 2.1 ready on :8080
2026-11-23T18:01:03.123456789Z INFO request 17 from 10.244.0.1 done in 3 ms
2026-11-23T18:01:04.123456789Z INFO request 18 from 10.244.0.1 done in 41 ms
2026-11-23T18:01:05.123456789Z WARN cache miss for key user-17
2026-11-23T18:01:06.123456789Z INFO request 19 from 10.244.0.2 done in 7 ms
`

func TestNovel(t *testing.T) {
	for name, c := range map[string]struct {
		dying  string
		others []string
		want   []string
	}{
		"nothing to compare with": {healthyLog, nil, nil},
		"others are empty":        {healthyLog, []string{"", "\n\n"}, nil},
		"the same":                {healthyLog, []string{healthyLog}, nil},
		"only numbers differ":     {strings.NewReplacer("17", "99", "10.244", "10.9", "18:0", "19:4").Replace(healthyLog), []string{healthyLog}, nil},
		"one line is new": {
			healthyLog + "2026-11-23T18:01:07.123456789Z INFO compaction of segment 12 started\n", []string{healthyLog},
			[]string{"INFO compaction of segment 12 started"},
		},
		"a level is new": {
			healthyLog + "ERROR request 20 from 10.244.0.1 done in 3 ms\n", []string{healthyLog},
			[]string{"ERROR request 20 from 10.244.0.1 done in 3 ms"},
		},
		"the last of each": {
			healthyLog + "lock 1 is stale\nvolume was moved away\nlock 2 is stale\n", []string{healthyLog},
			[]string{"volume was moved away", "lock 2 is stale"},
		},
		"known to one of several": {"a lock is stale\n" + healthyLog, []string{healthyLog, "a lock is stale"}, nil},
		"no frames": {
			healthyLog + "panic: no luck today\n\tat a.b.C.d(C.java:3)\n  }\n", []string{healthyLog}, []string{"panic: no luck today"},
		},
		"JSON": {
			`{"level":"info","msg":"request done","id":"a1"}` + "\n" + `{"level":"info","msg":"switching to the standby","id":"a2"}`,
			[]string{`{"id":"b","took":3,"level":"info","msg":"request done"}`},
			[]string{`{"level":"info","msg":"switching to the standby","id":"a2"}`},
		},
	} {
		if diff := cmp.Diff(c.want, Novel(c.dying, c.others)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNovelIsBounded keeps those nearest the end.
func TestNovelIsBounded(t *testing.T) {
	var dying strings.Builder
	for i := range 50 {
		fmt.Fprintf(&dying, "%s is new here\n", strings.Repeat(string(rune('a'+i%26)), 4+i/26))
	}
	got := Novel(dying.String(), []string{healthyLog})
	if len(got) != mostNovel || got[mostNovel-1] != "xxxxx is new here" {
		t.Errorf("%d lines: %q", len(got), got)
	}
}

// TestTemplatesForget checks that memory is capped, whatever comes.
func TestTemplatesForget(t *testing.T) {
	set := NewTemplates(100)
	for i := range 10_000 {
		word := string([]byte{'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676)})
		set.Add(word + strings.Repeat(" "+word, i%40))
	}
	branches := 0
	for _, n := range set.branches {
		branches += n
	}
	if set.Len() > 100 || len(set.leaves) > 100 || branches > 200 {
		t.Errorf("%d templates in %d leaves below %d branches", set.Len(), len(set.leaves), branches)
	}
	for l := range set.leaves {
		if len(set.leaves[l].groups) == 0 {
			t.Error("an empty leaf is kept")
		}
	}
}

func TestTemplates(t *testing.T) {
	set := NewTemplates(100)
	for i, c := range []struct {
		line  string
		fresh bool
	}{
		{"Receiving block blk_1 src: /10.0.0.1:5 dest: /10.0.0.2:6", true},
		{"Receiving block blk_2 src: /10.0.0.3:5 dest: /10.0.0.2:6", false},
		{"Receiving block blk_2 src: /10.0.0.3:5", true},
		{"Served block blk_2 src: /10.0.0.3:5 dest: /10.0.0.2:6", true},
		{"user alice logged in from home", true},
		{"user alice logged in from work", false},
		{"", true},
		{"   ", false},
	} {
		if fresh := set.Add(c.line); fresh != c.fresh {
			t.Errorf("line %d is new: %v", i, fresh)
		}
	}
}

func FuzzNovel(f *testing.F) {
	all := logs(f)
	for _, log := range all {
		f.Add(log, healthyLog)
		f.Add(healthyLog+log, log)
	}
	f.Fuzz(func(t *testing.T, dying, other string) {
		got := Novel(dying, []string{other})
		if len(got) > mostNovel {
			t.Errorf("%d lines", len(got))
		}
		for _, s := range got {
			if len(s) > maxLine || !utf8.ValidString(s) {
				t.Errorf("line %q", s)
			}
		}
		if diff := cmp.Diff(got, Novel(dying, []string{other})); diff != "" {
			t.Errorf("differs the second time: %s", diff)
		}
		if same := Novel(dying, []string{dying, other}); len(same) > 0 {
			t.Errorf("new against itself: %q", same)
		}
	})
}
