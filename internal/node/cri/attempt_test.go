// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kubeinquest/inquest/internal/record"
)

func TestAttemptOf(t *testing.T) {
	for note, want := range map[string]int{"": 9, "3": 3, "-1": 9, "x": 9, "99999999999": 9, "2147483647": 2147483647} {
		if got := attemptOf(note, 9); got != want {
			t.Errorf("annotation %q gives %d, want %d", note, got, want)
		}
	}
}

func TestDetail(t *testing.T) {
	for name, c := range map[string]struct{ info, want string }{
		"containerd": {`{"sandboxID":"s1","pid":7,"config":{"envs":[{"key":"A","value":"hunter2"}]},"runtimeSpec":{"process":{"args":["/app","-v","--db=hunter2","hunter2"],"env":["A=hunter2"]},` +
			`"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/data","type":"bind","source":"/var/lib/x","options":["rbind","ro"]}]}}`, "s1 [/app -v --db=… …] [/var/lib/x:/data:ro]"},
		"cri-o":   {`{"sandboxID":"s1","pid":7,"runtimeSpec":{"process":{"args":["sh"]},"mounts":[{"destination":"/d","type":"bind","source":"/s","options":["rw"]}]},"privileged":false}`, "s1 [sh] [/s:/d]"},
		"nothing": {"", " [] []"},
		"no JSON": {"{", " [] []"},
		"wrong":   {`{"runtimeSpec":{"process":{"args":"x"}}}`, " [] []"},
		"huge":    {`{"runtimeSpec":{"process":{"args":["` + strings.Repeat("x", maxInfo) + `"]}}}`, " [] []"},
	} {
		run := detail(record.Run{}, c.info)
		if len(run.Settings) > 0 && (name != "containerd" || run.Settings[0] != record.NoSettings) {
			t.Errorf("%s: the settings %q", name, run.Settings)
		}
		if got := fmt.Sprint(run.Sandbox, " ", run.Command, " ", run.Mounts); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	long := command(slices.Repeat([]string{strings.Repeat("é", 50)}, 100))
	if size := len(strings.Join(long, " ")); size > maxCommand+64 || !strings.HasSuffix(long[len(long)-1], "more)") {
		t.Errorf("a long command keeps %d bytes and ends in %q", size, long[len(long)-1])
	}
}

func FuzzDetail(f *testing.F) {
	f.Add(`{"sandboxID":"s1","runtimeSpec":{"process":{"args":["/app","-v","--db=hunter2","hunter2"],"env":["A=hunter2"]},"mounts":[{"destination":"/d","type":"bind","source":"/s","options":["ro"]}]}}`)
	f.Fuzz(func(t *testing.T, info string) {
		run := detail(record.Run{}, info)
		if len(run.Mounts) > maxMounts || len(run.Command) > maxArgs+1 || len(strings.Join(run.Command, "")) > maxCommand+64 {
			t.Errorf("%d mounts, %d words", len(run.Mounts), len(run.Command))
		}
		for _, s := range slices.Concat(run.Command, run.Mounts) {
			if !utf8.ValidString(s) {
				t.Errorf("%q is not valid", s)
			}
		}
	})
}

func FuzzSight(f *testing.F) {
	f.Add("uid", "web", "shop", "app", "3", uint32(3), "id")
	f.Fuzz(func(t *testing.T, uid, pod, namespace, name, note string, attempt uint32, id string) {
		s, ok := sight(container{id: id, attempt: attempt, labels: map[string]string{
			labelUID: uid, labelPod: pod, labelNamespace: namespace, labelContainer: name, noteRestarts: note,
		}})
		if ok != (uid != "" && pod != "" && namespace != "" && name != "" && id != "") {
			t.Errorf("%q is ok: %v", []string{uid, pod, namespace, name, id}, ok)
		}
		for _, text := range []string{s.uid, s.of.Name, s.of.Namespace, s.of.Container, s.id} {
			if len(text) > maxName+3 || !utf8.ValidString(text) {
				t.Errorf("%q is not bounded", text)
			}
		}
		if s.of.Attempt < 0 {
			t.Errorf("attempt %d", s.of.Attempt)
		}
	})
}
