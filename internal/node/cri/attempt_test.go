// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/kubeinquest/inquest/internal/record"
)

func TestAttemptOf(t *testing.T) {
	for note, want := range map[string]int{"": 9, "3": 3, "-1": 9, "x": 9, "99999999999": 9, "2147483647": 2147483647} {
		if got := attemptOf(map[string]string{noteRestarts: note}, 9); got != want {
			t.Errorf("annotation %q gives %d, want %d", note, got, want)
		}
	}
}

func TestDetail(t *testing.T) {
	for name, c := range map[string]struct{ info, want string }{
		"containerd": {`{"sandboxID":"s1","pid":7,"config":{"envs":[{"key":"A","value":"hunter2"}]},"runtimeSpec":{"process":{"args":["/app","-v"],"env":["A=hunter2"]},` +
			`"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/data","type":"bind","source":"/var/lib/x","options":["rbind","ro"]}]}}`, "s1 [/app -v] [/var/lib/x:/data:ro]"},
		"cri-o":   {`{"sandboxID":"s1","pid":7,"runtimeSpec":{"process":{"args":["sh"]},"mounts":[{"destination":"/d","type":"bind","source":"/s","options":["rw"]}]},"privileged":false}`, "s1 [sh] [/s:/d]"},
		"nothing": {"", " [] []"},
		"no JSON": {"{", " [] []"},
		"wrong":   {`{"runtimeSpec":{"process":{"args":"x"}}}`, " [] []"},
		"huge":    {`{"runtimeSpec":{"process":{"args":["` + strings.Repeat("x", maxInfo) + `"]}}}`, " [] []"},
	} {
		run := detail(record.Run{}, map[string]string{"info": c.info})
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
	f.Add(`{"sandboxID":"s1","runtimeSpec":{"process":{"args":["/app","-v"],"env":["A=hunter2"]},"mounts":[{"destination":"/d","type":"bind","source":"/s","options":["ro"]}]}}`)
	f.Fuzz(func(t *testing.T, info string) {
		run := detail(record.Run{}, map[string]string{"info": info})
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
	f.Fuzz(func(t *testing.T, uid, pod, namespace, container, note string, attempt uint32, id string) {
		s, ok := sight(&runtimeapi.Container{
			Id: id, Labels: map[string]string{labelUID: uid, labelPod: pod, labelNamespace: namespace, labelContainer: container},
			Annotations: map[string]string{noteRestarts: note}, Metadata: &runtimeapi.ContainerMetadata{Attempt: attempt},
		})
		if ok != (uid != "" && pod != "" && namespace != "" && container != "" && id != "") {
			t.Errorf("%q is ok: %v", []string{uid, pod, namespace, container, id}, ok)
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

// FuzzItems reads lists that are no lists, and compares what it finds with what protocol buffers make of them.
func FuzzItems(f *testing.F) {
	seed, err := proto.Marshal(&runtimeapi.ListContainersResponse{Containers: []*runtimeapi.Container{
		{Id: "a", State: runtimeapi.ContainerState_CONTAINER_EXITED, Labels: map[string]string{"x": "y"}}, {Id: "b"},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []string
		r := raw{data: data}
		err := r.items(fieldContainerState, func(id []byte, state uint64, _ []byte) error {
			got = append(got, fmt.Sprint(string(id), int32(state)))
			return nil
		})
		var list runtimeapi.ListContainersResponse
		if proto.Unmarshal(data, &list) != nil {
			return
		}
		var want []string
		for _, c := range list.GetContainers() {
			want = append(want, fmt.Sprint(c.GetId(), int32(c.GetState())))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("found %q (%v), want %q", got, err, want)
		}
	})
}
