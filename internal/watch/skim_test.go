// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"pgregory.net/rapid"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// encoded returns an object as it comes in protobuf.
func encoded(t testing.TB, o runtime.Object) []byte { return encodedAs(t, o, "v1") }

func encodedAs(t testing.TB, o runtime.Object, version string) []byte {
	t.Helper()
	group, err := schema.ParseGroupVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	all := scheme.Codecs.WithoutConversion()
	info, found := runtime.SerializerInfoForMediaType(all.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	if !found {
		t.Fatal("there is no protobuf")
	}
	var b bytes.Buffer
	if err := all.EncoderForVersion(info.Serializer, group).Encode(o, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bigPod returns a pod of several kilobytes, as most are.
func bigPod() *corev1.Pod {
	p := podWith("a", 3, began)
	p.Labels, p.Annotations = map[string]string{"app": "web"}, map[string]string{"note": string(bytes.Repeat([]byte("x"), 2000))}
	p.ResourceVersion, p.Generation = "77", 4
	grace := int64(30)
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &metav1.Time{Time: began.Add(time.Hour)}, &grace
	for range 30 {
		p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: "SETTING", Value: "http://dependency.platform.svc:8080"})
	}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(strings.Repeat("{}", 1000))}}
	return p
}

func decodedAs(t testing.TB, data []byte) runtime.Object {
	t.Helper()
	o, err := objectIn(data)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestSkim(t *testing.T) {
	want := bigPod()
	pod, whole := podOf(decodedAs(t, encoded(t, want)).(evidence.Object))
	if pod == nil {
		t.Fatal("a pod is none")
	}
	reduced := &corev1.Pod{Status: want.Status, ObjectMeta: metav1.ObjectMeta{
		Name: want.Name, Namespace: want.Namespace, UID: want.UID, ResourceVersion: "77", Generation: 4, CreationTimestamp: want.CreationTimestamp,
		DeletionTimestamp: want.DeletionTimestamp, DeletionGracePeriodSeconds: want.DeletionGracePeriodSeconds,
	}}
	if diff := cmp.Diff(reduced, pod); diff != "" {
		t.Error(diff)
	}
	all, err := whole()
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// TestSkimOthers holds that what is no pod is decoded as ever: a bookmark's annotations are what it is about.
func TestSkimOthers(t *testing.T) {
	bookmark := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "9", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "u"}}
	for _, want := range []runtime.Object{bookmark, node} {
		if diff := cmp.Diff(want, decodedAs(t, encoded(t, want))); diff != "" {
			t.Error(diff)
		}
	}
	data := encoded(t, bigPod())
	for _, n := range []int{0, 3, 5, 40, len(data) / 2, len(data) - 1} {
		if o, err := objectIn(data[:n]); err == nil {
			t.Errorf("%d bytes of a pod are a %T", n, o)
		}
	}
}

// FuzzSkim holds that whatever comes is decoded as client-go would, as far as it is.
func FuzzSkim(f *testing.F) {
	f.Add(encoded(f, bigPod()))
	f.Add(encoded(f, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "u"}}))
	plain := scheme.Codecs.WithoutConversion()
	info, _ := runtime.SerializerInfoForMediaType(plain.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	f.Fuzz(func(t *testing.T, data []byte) {
		skimmedObject, err := skim(bytes.Clone(data))
		p, ok := skimmedObject.(*skimmed)
		if err != nil || !ok {
			return
		}
		o, _, err := info.Serializer.Decode(data, nil, nil)
		if err != nil {
			return // it is told when the rest is needed
		}
		want, ok := o.(*corev1.Pod)
		if !ok {
			t.Fatalf("a pod is a %T", o)
		}
		if p.UID != want.UID || p.Name != want.Name || p.ResourceVersion != want.ResourceVersion || !cmp.Equal(p.Status, want.Status) {
			t.Error(cmp.Diff(want, &p.Pod))
		}
	})
}

// TestStirs holds that a state which does not stir has no news, whatever states were seen before, and is told from a skimmed pod as
// from a whole one.
func TestStirs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, restarts, now := NewLedger(nil, false, began), int32(0), began
		var ended time.Time
		for range rapid.IntRange(1, 30).Draw(t, "states") {
			now = now.Add(10 * time.Second)
			if rapid.Bool().Draw(t, "dies") {
				restarts, ended = max(0, restarts+int32(rapid.IntRange(-1, 2).Draw(t, "more"))), now
			}
			pod := podWith(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "pod"), restarts, ended)
			if rapid.Bool().Draw(t, "waits") {
				pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
			}
			skimmed := &corev1.Pod{Status: pod.Status, ObjectMeta: metav1.ObjectMeta{UID: pod.UID, CreationTimestamp: pod.CreationTimestamp}}
			stirs := l.Stirs(pod, now)
			if l.Stirs(skimmed, now) != stirs {
				t.Fatal("a skimmed pod stirs otherwise than a whole one")
			}
			n := l.See(pod, now)
			if !stirs && (len(n.Ended)+len(n.Missed)+len(n.Passed) > 0 || n.Began || n.Well) {
				t.Fatalf("it does not stir, and has news: %+v", n)
			}
			if l.Stirs(pod, now) {
				t.Fatal("the same state stirs again")
			}
		}
	})
}

// TestLedgerSize holds how much is kept of a pod with one container, beside its name and its place in the map.
func TestLedgerSize(t *testing.T) {
	if n := unsafe.Sizeof(entry{}) + unsafe.Sizeof(runs{}); n > 144 {
		t.Errorf("%d bytes are kept of a pod, expected at most 144", n)
	}
}
