// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"
)

// framed returns an event as it comes in protobuf.
func framed(t testing.TB, kind apiwatch.EventType, object []byte) []byte {
	t.Helper()
	data, err := (&metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: object}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
}

// told is what is compared of an event.
type told struct {
	Kind   apiwatch.EventType
	Object runtime.Object
}

// allOf reads events to their end, with as much of each as is decoded of whatever form.
func allOf(t testing.TB, body io.Reader) ([]told, error) {
	t.Helper()
	e := &events{body: body}
	var all []told
	for {
		event, err := e.next()
		if err != nil {
			return all, err
		}
		o := event.Object
		if p, ok := o.(*skimmed); ok {
			whole, err := p.whole()
			if err != nil {
				t.Fatal(err)
			}
			o = whole
		}
		all = append(all, told{event.Type, o})
	}
}

// TestEvents holds that events are the same in protobuf and in JSON, whatever they are about, and end as a watch does wherever the
// connection breaks.
func TestEvents(t *testing.T) {
	pod, node := bigPod(), nodeReady(corev1.ConditionTrue)
	pod.ManagedFields = nil // whose form is not that of JSON here
	lease := leaseOf("kube-node-lease", "n1", "n1", 40)
	mark := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "9", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
	expired := &metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired}
	want := []told{{apiwatch.Added, pod}, {apiwatch.Modified, node}, {apiwatch.Deleted, lease}, {apiwatch.Bookmark, mark}, {apiwatch.Error, expired}}
	kinds := []string{"v1 Pod", "v1 Node", "coordination.k8s.io/v1 Lease", "v1 Pod", "v1 Status"}
	var binaries, texts []byte
	ends := []int{0}
	for i, w := range want {
		version, kind, _ := strings.Cut(kinds[i], " ")
		binaries = append(binaries, framed(t, w.Kind, encodedAs(t, w.Object, version))...)
		ends = append(ends, len(binaries))
		typed, err := runtime.DefaultUnstructuredConverter.ToUnstructured(w.Object)
		if err != nil {
			t.Fatal(err)
		}
		typed["apiVersion"], typed["kind"] = version, kind
		text, err := json.Marshal(map[string]any{"type": w.Kind, "object": typed})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, append(text, '\n')...)
	}
	for form, data := range map[string][]byte{"protobuf": binaries, "JSON": texts} {
		got, err := allOf(t, bytes.NewReader(data))
		if diff := cmp.Diff(want, got); diff != "" || !utilnet.IsProbableEOF(err) {
			t.Errorf("%s: %v %s", form, err, diff)
		}
	}
	for n := range binaries {
		got, err := allOf(t, bytes.NewReader(binaries[:n]))
		whole, at := slices.BinarySearch(ends, n)
		if !at {
			whole--
		}
		if len(got) != whole || !utilnet.IsProbableEOF(err) {
			t.Fatalf("%d events in the first %d bytes, expected %d, and the end of the watch: %v", len(got), n, whole, err)
		}
	}
}

// TestEventsWrong holds that what is no event is an error, and not the end of a watch, which would be begun again silently.
func TestEventsWrong(t *testing.T) {
	pod := encoded(t, bigPod())
	tests := map[string][]byte{
		"more than there may be":  {0x10, 0, 0, 1, 0},
		"no event":                {0, 0, 0, 3, 0xff, 0xff, 0xff},
		"an event about nothing":  framed(t, apiwatch.Added, nil),
		"half a pod":              framed(t, apiwatch.Added, pod[:len(pod)/2]),
		"JSON that is none":       []byte("{{{{{{"),
		"JSON that is about what": []byte(`{"type":"ADDED","object":{"kind":"What"}}`),
	}
	for name, data := range tests {
		if got, err := allOf(t, bytes.NewReader(data)); len(got) > 0 || err == nil || utilnet.IsProbableEOF(err) {
			t.Errorf("%s: %d events, %v", name, len(got), err)
		}
	}
}

// TestEventsMemory holds that the memory for a large event is let go of, and that for small ones used again.
func TestEventsMemory(t *testing.T) {
	small := framed(t, apiwatch.Modified, encoded(t, bigPod()))
	large := bigPod()
	large.Annotations["dump"] = strings.Repeat("x", 2*spared)
	e := &events{body: bytes.NewReader(slices.Concat(framed(t, apiwatch.Modified, encoded(t, large)), small, small))}
	var at []*byte
	for range 3 {
		if _, err := e.next(); err != nil {
			t.Fatal(err)
		}
		at = append(at, &e.buf[0])
	}
	if cap(e.buf) > spared || at[1] == at[0] || at[2] != at[1] {
		t.Errorf("%d bytes are kept; used again: %v after a large one, %v after a small one", cap(e.buf), at[1] == at[0], at[2] == at[1])
	}
}

// A dripping reader gets a byte each ten milliseconds, and counts how often it is read.
type dripping struct {
	began       time.Time
	read, times int
}

func (d *dripping) Read(p []byte) (int, error) {
	const each = 10 * time.Millisecond
	d.times++
	if until := d.began.Add(time.Duration(d.read+1) * each); time.Now().Before(until) {
		passes(time.Until(until))
	}
	n := min(int(time.Since(d.began)/each)-d.read, len(p))
	d.read += n
	return n, nil
}

// TestLazy holds that what comes slowly is read a few times a second, and what is there already at once.
func TestLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dripping{began: time.Now()}
		l := &lazy{Reader: d, pause: 100 * time.Millisecond}
		if _, err := io.CopyN(io.Discard, l, 1000); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(d.began); took > 10*time.Second+200*time.Millisecond || d.times > 200 {
			t.Errorf("a thousand bytes in ten seconds were read in %s and %d times", took, d.times)
		}
		passes(time.Minute)
		before := time.Now()
		if n, err := io.CopyBuffer(io.Discard, io.LimitReader(l, 5000), make([]byte, 100)); n != 5000 || err != nil || time.Since(before) > 100*time.Millisecond {
			t.Errorf("%d bytes that were there were read in %s: %v", n, time.Since(before), err)
		}
	})
}

// TestLazyEnds holds that a pause ends with the watch.
func TestLazyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		l := &lazy{Reader: &dripping{began: time.Now()}, pause: time.Hour, ended: ctx.Done()}
		before := time.Now()
		time.AfterFunc(time.Minute, end)
		if _, err := io.CopyN(io.Discard, l, 2); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(before); took != time.Minute {
			t.Errorf("two bytes were read in %s, and the watch ended after a minute", took)
		}
	})
}

// FuzzEvents holds that whatever comes is an event, as client-go reads it, or an error.
func FuzzEvents(f *testing.F) {
	f.Add(framed(f, apiwatch.Modified, encoded(f, bigPod()))[4:])
	f.Add(framed(f, apiwatch.Error, encoded(f, &metav1.Status{Code: 410}))[4:])
	f.Fuzz(func(t *testing.T, data []byte) {
		event, err := eventIn(bytes.Clone(data))
		var want metav1.WatchEvent
		if wrong := want.Unmarshal(data); err != nil || wrong != nil {
			return
		}
		if string(event.Type) != want.Type || event.Object == nil {
			t.Errorf("%q of %T, expected %q", event.Type, event.Object, want.Type)
		}
	})
}

// TestFine holds that a pod which is fine is not troubled, whatever its status says besides.
func TestFine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := podWith("a", int32(rapid.IntRange(0, 3).Draw(t, "restarts")), began)
		status := func(name string) corev1.ContainerStatus {
			st := corev1.ContainerStatus{Name: name}
			terminated := &corev1.ContainerStateTerminated{ExitCode: int32(rapid.IntRange(0, 2).Draw(t, "code")), FinishedAt: metav1.NewTime(began)}
			switch rapid.IntRange(0, 3).Draw(t, "state") {
			case 0:
				st.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(began)}
			case 1:
				st.State.Terminated = terminated
			case 2:
				st.State.Waiting = &corev1.ContainerStateWaiting{Reason: rapid.SampledFrom([]string{"", "ContainerCreating", "CrashLoopBackOff", "ImagePullBackOff"}).Draw(t, "reason")}
			}
			if rapid.Bool().Draw(t, "ended before") {
				st.LastTerminationState.Terminated = terminated
			}
			return st
		}
		pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, status("setup"))
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status("proxy"))
		pod.Status.EphemeralContainerStatuses = append(pod.Status.EphemeralContainerStatuses, status("debug"))
		pod.Status.Phase = rapid.SampledFrom([]corev1.PodPhase{corev1.PodRunning, corev1.PodPending, corev1.PodFailed, corev1.PodSucceeded}).Draw(t, "phase")
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: rapid.SampledFrom([]corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse}).Draw(t, "ready")}}
		if rapid.Bool().Draw(t, "deleted") {
			pod.DeletionTimestamp = &metav1.Time{Time: began}
		}
		if fine(pod) && troubled(pod, began.Add(time.Hour)) {
			t.Fatalf("a fine pod is troubled: %+v", pod.Status)
		}
	})
	if !fine(podWith("a", 1, began)) {
		t.Error("a pod that runs is not fine")
	}
}
