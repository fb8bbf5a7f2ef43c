// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/kubeinquest/inquest/internal/record"
)

// RunPodSandbox makes a sandbox.
func (f *fake) RunPodSandbox(ctx context.Context, r *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	err := f.enter(ctx, "RunPodSandbox", "")
	c := r.GetConfig()
	f.set(func() {
		if f.parent = c.GetLinux().GetCgroupParent(); f.vanish || err != nil {
			return
		}
		f.sandboxes[c.GetMetadata().GetUid()] = &runtimeapi.PodSandbox{Id: c.GetMetadata().GetUid(), Metadata: c.GetMetadata(), Labels: c.GetLabels()}
	})
	return &runtimeapi.RunPodSandboxResponse{PodSandboxId: c.GetMetadata().GetUid()}, err
}

// CreateContainer makes a container in a sandbox that there is.
func (f *fake) CreateContainer(ctx context.Context, r *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	err := f.enter(ctx, "CreateContainer", "")
	f.set(func() {
		if f.sandboxes[r.GetPodSandboxId()] == nil {
			err = status.Error(codes.NotFound, "failed to find sandbox")
		}
	})
	return &runtimeapi.CreateContainerResponse{ContainerId: r.GetPodSandboxId() + r.GetConfig().GetImage().GetImage()}, err
}

// StartContainer says that it does.
func (f *fake) StartContainer(ctx context.Context, _ *runtimeapi.StartContainerRequest) (*runtimeapi.StartContainerResponse, error) {
	return &runtimeapi.StartContainerResponse{}, f.enter(ctx, "StartContainer", "")
}

// StopPodSandbox says that it does.
func (f *fake) StopPodSandbox(ctx context.Context, _ *runtimeapi.StopPodSandboxRequest) (*runtimeapi.StopPodSandboxResponse, error) {
	return &runtimeapi.StopPodSandboxResponse{}, f.enter(ctx, "StopPodSandbox", "")
}

// RemovePodSandbox removes one.
func (f *fake) RemovePodSandbox(ctx context.Context, r *runtimeapi.RemovePodSandboxRequest) (*runtimeapi.RemovePodSandboxResponse, error) {
	if err := f.enter(ctx, "RemovePodSandbox", ""); err != nil {
		return nil, err
	}
	f.set(func() { delete(f.sandboxes, r.GetPodSandboxId()) })
	return &runtimeapi.RemovePodSandboxResponse{}, nil
}

func TestCanary(t *testing.T) {
	const image = "tiny"
	for name, c := range map[string]struct {
		hang, gone, image string
		broken            string   // does not find what it needs
		want              []string // after a minute and two tries
		left              int
	}{
		"well":                   {want: []string{"canary cri", "canary cri"}},
		"with a container":       {image: image, want: []string{"canary cri", "canary cri"}},
		"no sandbox":             {hang: "RunPodSandbox", want: []string{"canary-failed cri/RunPodSandbox", "canary-failed cri/RunPodSandbox"}},
		"no container":           {hang: "StartContainer", image: image, want: []string{"canary-failed cri/StartContainer", "canary-failed cri/StartContainer"}},
		"none can be removed":    {hang: "RemovePodSandbox", want: []string{"canary-failed cri/RemovePodSandbox", "canary-failed cri/RemovePodSandbox"}, left: 1},
		"no image":               {broken: "CreateContainer", image: image, want: []string{"canary-failed cri/CreateContainer", "canary-failed cri/CreateContainer"}},
		"the kubelet removes it": {gone: "RunPodSandbox", image: image},
		"none can be stopped":    {hang: "StopPodSandbox", want: []string{"canary-failed cri/StopPodSandbox", "canary-failed cri/RemovePodSandbox"}, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.vanish = c.gone != ""
			f.missing = c.broken
			if c.hang != "" {
				f.hang[c.hang] = true
			}
			if got := sing(t, f, c.image); !slices.Equal(got, c.want) || len(f.sandboxes) != c.left {
				t.Errorf("told %q, want %q; %d sandboxes are left, want %d", got, c.want, len(f.sandboxes), c.left)
			}
		})
	}
}

// TestCanaryIsStopped: an agent that is stopped while it removes what was left does not wait for a runtime that hangs.
func TestCanaryIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.start()
		defer f.stop()
		f.hang["StopPodSandbox"] = true
		canary, err := NewCanary(CanaryOptions{Node: "n1", Tell: func(record.Entry) {}, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 70*time.Second) // in the second try to stop the sandbox
		defer stop()
		began := time.Now()
		if canary.follow(ctx, new(link).watch(f.dial)); time.Since(began) > 70*time.Second+leaveTime {
			t.Errorf("it ended after %s", time.Since(began))
		}
	})
}

// sing runs a canary for two tries and returns what it told.
func sing(t *testing.T, f *fake, image string) (said []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		told := &memory{}
		f.start()
		defer f.stop()
		o := CanaryOptions{Node: "n1", Tell: told.tell, Image: image, Timeout: time.Second, Every: 30 * time.Second, Command: []string{"/app"}}
		canary, err := NewCanary(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Second)
		defer stop()
		canary.follow(ctx, new(link).watch(f.dial))
		for _, e := range told.list {
			said = append(said, e.Fact.Name+" "+e.Fact.Where)
		}
	})
	return said
}

// RuntimeConfig says who makes control groups, where the runtime says so.
func (f *fake) RuntimeConfig(context.Context, *runtimeapi.RuntimeConfigRequest) (*runtimeapi.RuntimeConfigResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.driver == nil {
		return nil, status.Error(codes.Unimplemented, "method RuntimeConfig not implemented")
	}
	return f.driver, nil
}

// TestCanaryInASlice: where systemd makes control groups, the canary's is in a slice.
func TestCanaryInASlice(t *testing.T) {
	linux := func(d runtimeapi.CgroupDriver) *runtimeapi.RuntimeConfigResponse {
		return &runtimeapi.RuntimeConfigResponse{Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: d}}
	}
	for _, c := range []struct {
		driver       *runtimeapi.RuntimeConfigResponse
		parent, want string
	}{
		{nil, "", ""},
		{&runtimeapi.RuntimeConfigResponse{}, "", ""},
		{linux(runtimeapi.CgroupDriver_CGROUPFS), "", ""},
		{linux(runtimeapi.CgroupDriver_SYSTEMD), "", systemSlice},
		{linux(runtimeapi.CgroupDriver_SYSTEMD), "other.slice", "other.slice"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.driver = c.driver
			f.start()
			defer f.stop()
			told := &memory{}
			canary, err := NewCanary(CanaryOptions{Node: "n1", Tell: told.tell, CgroupParent: c.parent})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			defer stop()
			canary.follow(ctx, new(link).watch(f.dial))
			if f.parent != c.want || len(told.list) != 1 || told.list[0].Fact.Name != "canary" {
				t.Errorf("%v, %q: made in %q, told %q", c.driver, c.parent, f.parent, words(told.list))
			}
		})
	}
}

func TestCanaryRequests(t *testing.T) {
	c, err := NewCanary(CanaryOptions{Node: "n1", Tell: func(record.Entry) {}, Image: "tiny", Command: []string{"/a", "b"}, HostNetwork: true, CgroupParent: "/x"})
	if err != nil {
		t.Fatal(err)
	}
	c.parent = c.o.CgroupParent
	var box runtimeapi.PodSandboxConfig
	var container runtimeapi.ContainerConfig
	unmarshal(t, c.sandbox("u"), &box)
	unmarshal(t, c.container(), &container)
	got := fmt.Sprint(box.Metadata.Name, box.Metadata.Uid, box.Labels, box.Linux.CgroupParent, box.Linux.SecurityContext.NamespaceOptions.Network, container.Image.Image,
		container.Command, container.Labels, container.Linux.SecurityContext.ReadonlyRootfs, container.Linux.SecurityContext.NoNewPrivs, container.Linux.SecurityContext.NamespaceOptions.Pid)
	want := "inquest-canaryinquest-canary-u map[kubeinquest.io/canary:n1] /x NODE tiny [/a b] map[kubeinquest.io/canary:n1] true true CONTAINER"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("asks for %s, want %s", got, want)
	}
	for _, o := range []CanaryOptions{{Node: "n1"}, {Tell: func(record.Entry) {}}, {Node: "n1", Tell: func(record.Entry) {}, Timeout: -1}} {
		if _, err := NewCanary(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
