// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/record"
)

// TestSettings: of an environment only what tells a runtime of heap and threads is kept, and of that only numbers.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, ""},
		{[]string{"PATH=/bin", "TOKEN=1234", "-Xmx=1"}, record.NoSettings},
		{[]string{"JAVA_TOOL_OPTIONS=-Xmx512m -Dpassword=1234 -XX:MaxRAMPercentage=75.5 -Xmxhunter2 -XX:+UseG1GC"}, "JAVA_TOOL_OPTIONS=-Xmx512m -XX:MaxRAMPercentage=75.5"},
		{[]string{"PATH=/bin", "NODE_OPTIONS=--require ./hunter2.js --max_old_space_size=400"}, "NODE_OPTIONS=--max-old-space-size=400"},
		{[]string{"NODE_OPTIONS=--max-old-space-size 400 hunter2"}, "NODE_OPTIONS=--max-old-space-size=400"},
		{[]string{"NODE_OPTIONS=--max-old-space-size hunter2"}, "NODE_OPTIONS="},
		{[]string{"GOMEMLIMIT=450MiB", "GOMAXPROCS=4", "GOGC=off"}, "GOGC=off|GOMAXPROCS=4|GOMEMLIMIT=450MiB"},
		{[]string{"GOMEMLIMIT=hunter2", "GOMAXPROCS=1e9", "GOGC=NaN", "GODEBUG=hunter2"}, "GOGC=|GOMAXPROCS=|GOMEMLIMIT="},
		{[]string{"GOMEMLIMIT=" + strings.Repeat("1", 30), "GOMEMLIMIT=1TTTTT"}, "GOMEMLIMIT="},
	} {
		if got := strings.Join(settings(c.env), "|"); got != c.want {
			t.Errorf("of %q it keeps %q, want %q", c.env, got, c.want)
		}
	}
}

// FuzzSettings: nothing is kept but names that are known, flags that are known and numbers.
func FuzzSettings(f *testing.F) {
	f.Add("JAVA_OPTS", "-Xmx1g -Da=b")
	f.Add("GOGC", "1")
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, kept := range settings([]string{name + "=" + value}) {
			of, rest, _ := strings.Cut(kept, "=")
			if kept != record.NoSettings && !slices.Contains(slices.Concat(flagged, numbered), of) {
				t.Errorf("it keeps %q", kept)
			}
			for word := range strings.FieldsSeq(rest) {
				for _, flag := range sizes {
					word = strings.TrimPrefix(word, flag)
				}
				if word != "off" && !isAmount(word) {
					t.Errorf("it keeps %q of %q", word, value)
				}
			}
		}
	})
}
