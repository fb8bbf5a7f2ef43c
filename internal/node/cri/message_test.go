// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"cmp"
	"slices"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The messages are read by hand; these tests hold that to what the generated code makes of the same bytes.

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func unmarshal(tb testing.TB, data []byte, m proto.Message) {
	tb.Helper()
	if err := proto.Unmarshal(data, m); err != nil || len(m.ProtoReflect().GetUnknown()) > 0 {
		tb.Fatalf("%T: %v, unknown %q", m, err, m.ProtoReflect().GetUnknown())
	}
}

func exampleContainer() *runtimeapi.Container {
	return &runtimeapi.Container{
		Id: "c1", PodSandboxId: "s1", Metadata: &runtimeapi.ContainerMetadata{Name: "app", Attempt: 3}, Image: &runtimeapi.ImageSpec{Image: "sha256:1", UserSpecifiedImage: "app:v1"},
		ImageRef: "app@sha256:2", State: runtimeapi.ContainerState_CONTAINER_EXITED, CreatedAt: 1790000000123456789, ImageId: "sha256:3",
		Labels:      map[string]string{labelPod: "web", labelNamespace: "shop", labelUID: "u1", labelContainer: "app", "other": "x"},
		Annotations: map[string]string{noteRestarts: "3", "io.kubernetes.container.hash": "ab"},
	}
}

func exampleStatus() *runtimeapi.ContainerStatus {
	return &runtimeapi.ContainerStatus{
		Id: "c1", Metadata: &runtimeapi.ContainerMetadata{Name: "app", Attempt: 3}, State: runtimeapi.ContainerState_CONTAINER_EXITED,
		CreatedAt: 1, StartedAt: 2, FinishedAt: 3, ExitCode: -1, Image: &runtimeapi.ImageSpec{Image: "app:v1"}, ImageRef: "app@sha256:2", Reason: "OOMKilled", Message: "m",
		Labels: map[string]string{"a": "b"}, Mounts: []*runtimeapi.Mount{{ContainerPath: "/d", HostPath: "/s", Readonly: true}, {ContainerPath: "/e", HostPath: "/t"}}, ImageId: "sha256:3",
	}
}

func containerOf(c *runtimeapi.Container) container {
	labels := labelled()
	for _, from := range []map[string]string{c.GetLabels(), c.GetAnnotations()} {
		for k, v := range from {
			if _, ok := labels[k]; ok {
				labels[k] = v
			}
		}
	}
	return container{
		id: c.GetId(), sandbox: c.GetPodSandboxId(), image: cmp.Or(c.GetImage().GetUserSpecifiedImage(), c.GetImage().GetImage()), ref: cmp.Or(c.GetImageRef(), c.GetImageId()),
		state: uint64(c.GetState()), attempt: c.GetMetadata().GetAttempt(), created: c.GetCreatedAt(), labels: labels,
	}
}

func conditionOf(st *runtimeapi.ContainerStatus) condition {
	c := condition{
		id: st.GetId(), image: cmp.Or(st.GetImage().GetUserSpecifiedImage(), st.GetImage().GetImage()), ref: cmp.Or(st.GetImageRef(), st.GetImageId()), reason: st.GetReason(),
		message: st.GetMessage(), state: uint64(st.GetState()), created: st.GetCreatedAt(), started: st.GetStartedAt(), finished: st.GetFinishedAt(), exitCode: st.GetExitCode(),
	}
	for _, m := range st.GetMounts()[:min(len(st.GetMounts()), maxMounts)] {
		c.mounts = append(c.mounts, mount(m.GetHostPath(), m.GetContainerPath(), m.GetReadonly()))
	}
	return c
}

func equal(t *testing.T, what string, got, want any, err error) {
	t.Helper()
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(container{}, condition{}, sandbox{}, event{})); diff != "" || err != nil {
		t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
	}
}

func TestMessages(t *testing.T) {
	c, err := readContainer(marshal(t, exampleContainer()))
	equal(t, "container", c, containerOf(exampleContainer()), err)
	st, info, err := readStatus(marshal(t, &runtimeapi.ContainerStatusResponse{Status: exampleStatus(), Info: map[string]string{"info": "{}", "other": "x"}}))
	equal(t, "status", st, conditionOf(exampleStatus()), err)
	equal(t, "information", info, "{}", err)
	s, err := readSandbox(marshal(t, &runtimeapi.PodSandbox{Id: "s1", Metadata: &runtimeapi.PodSandboxMetadata{Attempt: 2}, State: 1, CreatedAt: 5, Labels: map[string]string{labelUID: "u1"}}))
	labels := labelled()
	labels[labelUID] = "u1"
	equal(t, "sandbox", s, sandbox{id: "s1", attempt: 2, created: 5, labels: labels}, err)
	alive := exampleStatus()
	alive.State = runtimeapi.ContainerState_CONTAINER_RUNNING
	e, err := readEvent(marshal(t, &runtimeapi.ContainerEventResponse{
		ContainerId: "c1", PodSandboxStatus: &runtimeapi.PodSandboxStatus{Id: "s1", Metadata: &runtimeapi.PodSandboxMetadata{Name: "web", Uid: "u1"}},
		ContainersStatuses: []*runtimeapi.ContainerStatus{alive, exampleStatus()},
	}))
	equal(t, "event", e, event{uid: "u1", ended: []condition{conditionOf(exampleStatus())}}, err)
	name, version, err := readVersion(marshal(t, &runtimeapi.VersionResponse{RuntimeName: "cri-o", RuntimeVersion: "1.33.0"}))
	equal(t, "version", name+version, "cri-o1.33.0", err)

	var list runtimeapi.ListContainersRequest
	var one runtimeapi.ContainerStatusRequest
	if err := proto.Unmarshal(containersRequest("u1"), &list); err != nil || list.GetFilter().GetLabelSelector()[labelUID] != "u1" {
		t.Errorf("a list is asked for by %v (%v)", &list, err)
	}
	if err := proto.Unmarshal(statusRequest("c1", true), &one); err != nil || one.GetContainerId() != "c1" || !one.GetVerbose() {
		t.Errorf("a status is asked for by %v (%v)", &one, err)
	}
}

// FuzzMessages reads messages that are none, and compares what it finds with what the generated code makes of them.
func FuzzMessages(f *testing.F) {
	f.Add(marshal(f, exampleContainer()))
	f.Add(marshal(f, exampleStatus()))
	f.Add(marshal(f, &runtimeapi.ListContainersResponse{Containers: []*runtimeapi.Container{exampleContainer(), {Id: "b"}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, cErr := readContainer(data)
		st, stErr := readCondition(data)
		_, _, _ = readStatus(data)
		_, _ = readEvent(data)
		_, _ = readSandbox(data)
		_, _, _ = readVersion(data)
		var ids []string
		listErr := each(data, func(item []byte) error {
			id, _, err := head(item, containerState)
			ids = append(ids, string(id))
			return err
		})
		for _, s := range slices.Concat(st.mounts, []string{c.id, c.sandbox, c.image, st.message, st.reason}) {
			if !utf8.ValidString(s) {
				t.Errorf("%q is not valid", s)
			}
		}
		var container runtimeapi.Container
		if well(data, &container) {
			equal(t, "container", c, containerOf(&container), cErr)
		}
		var status runtimeapi.ContainerStatus
		if well(data, &status) {
			equal(t, "status", st, conditionOf(&status), stErr)
		}
		var list runtimeapi.ListContainersResponse
		if well(data, &list) {
			var want []string
			for _, c := range list.GetContainers() {
				want = append(want, c.GetId())
			}
			equal(t, "list", ids, want, listErr)
		}
	})
}

// well tells whether a message is as a runtime writes it: the same bytes, in any order, come of writing what was read. Two
// values of one field are merged by the generated code and not here.
func well(data []byte, m proto.Message) bool {
	if proto.Unmarshal(data, m) != nil {
		return false
	}
	again, err := proto.Marshal(m)
	if err != nil || !allKnown(m.ProtoReflect()) {
		return false
	}
	slices.Sort(again)
	data = slices.Clone(data)
	slices.Sort(data)
	return slices.Equal(again, data)
}

// allKnown tells whether a message has no field that is not of its form, in none of the messages in it.
func allKnown(m protoreflect.Message) bool {
	ok := len(m.GetUnknown()) == 0
	m.Range(func(of protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case of.Message() == nil || of.IsMap():
		case of.IsList():
			for i := range v.List().Len() {
				ok = ok && allKnown(v.List().Get(i).Message())
			}
		default:
			ok = ok && allKnown(v.Message())
		}
		return ok
	})
	return ok
}
