// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/kubeinquest/inquest/internal/record"
)

// A fake is a runtime of which everything can be changed.
type fake struct {
	runtimeapi.UnimplementedRuntimeServiceServer

	mu         sync.Mutex
	version    string
	containers map[string]*runtimeapi.ContainerStatus
	sandboxOf  map[string]string
	sandboxes  map[string]*runtimeapi.PodSandbox
	hang       map[string]bool // by method, or method and id: it does not answer
	broken     map[string]bool // by method: it fails
	slow       time.Duration
	info       string
	made       int
	vanish     bool // sandboxes are removed by somebody else
	asked      map[string]int
	streams    map[chan *runtimeapi.ContainerEventResponse]bool
	deaf       bool // has no events

	subscribers map[chan []byte]bool // of containerd's own events
	taskless    bool                 // has none of these
	filters     string

	missing string // a method that does not find what it needs
	driver  *runtimeapi.RuntimeConfigResponse
	parent  string // of the control group of the newest sandbox

	listener *bufconn.Listener
	server   *grpc.Server
}

func newFake() *fake {
	return &fake{
		version: "v2.4.2", containers: map[string]*runtimeapi.ContainerStatus{}, sandboxOf: map[string]string{}, sandboxes: map[string]*runtimeapi.PodSandbox{},
		hang: map[string]bool{}, asked: map[string]int{}, streams: map[chan *runtimeapi.ContainerEventResponse]bool{},
		subscribers: map[chan []byte]bool{},
		info:        `{"sandboxID":"s","runtimeSpec":{"process":{"args":["/app","serve"],"env":["SECRET=hunter2"]}}}`,
	}
}

func (f *fake) start() {
	l, s := bufconn.Listen(1<<16), grpc.NewServer()
	runtimeapi.RegisterRuntimeServiceServer(s, f)
	s.RegisterService(f.tasks(), f)
	f.mu.Lock()
	f.listener, f.server = l, s
	f.mu.Unlock()
	go func() { _ = s.Serve(l) }()
}

func (f *fake) stop() {
	f.mu.Lock()
	s := f.server
	f.server, f.listener = nil, nil
	for c := range f.streams {
		close(c)
		delete(f.streams, c)
	}
	for c := range f.subscribers {
		close(c)
		delete(f.subscribers, c)
	}
	f.mu.Unlock()
	if s != nil {
		s.Stop()
	}
}

func (f *fake) dial(ctx context.Context) (net.Conn, error) {
	f.mu.Lock()
	l := f.listener
	f.mu.Unlock()
	if l == nil {
		return nil, errors.New("dial unix: connection refused")
	}
	return l.DialContext(ctx)
}

// enter counts a call and hangs if told to.
func (f *fake) enter(ctx context.Context, method, id string) error {
	f.mu.Lock()
	f.asked[method]++
	hang, slow, broken, missing := f.hang[method] || f.hang[method+"/"+id], f.slow, f.broken[method], f.missing == method
	f.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(slow):
	}
	if broken {
		return status.Error(codes.Internal, "its database is damaged")
	}
	if missing {
		return status.Error(codes.NotFound, "failed to resolve image: not found")
	}
	if hang {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Version answers.
func (f *fake) Version(ctx context.Context, _ *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	if err := f.enter(ctx, "Version", ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: "containerd", RuntimeVersion: f.version, RuntimeApiVersion: "v1"}, nil
}

// ListContainers answers.
func (f *fake) ListContainers(ctx context.Context, r *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	if err := f.enter(ctx, "ListContainers", ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var answer runtimeapi.ListContainersResponse
	for id, st := range f.containers {
		uid, want := st.Labels[labelUID], r.GetFilter().GetLabelSelector()[labelUID]
		if only := r.GetFilter().GetId(); only != "" && only != id {
			continue
		}
		if want == "" || uid == want {
			answer.Containers = append(answer.Containers, &runtimeapi.Container{
				Id: id, PodSandboxId: f.sandboxOf[id], Metadata: st.Metadata, Image: st.Image, ImageRef: st.ImageRef, State: st.State, CreatedAt: st.CreatedAt,
				Labels: st.Labels, Annotations: st.Annotations,
			})
		}
	}
	return &answer, nil
}

// ListPodSandbox answers.
func (f *fake) ListPodSandbox(ctx context.Context, r *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	if err := f.enter(ctx, "ListPodSandbox", ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var answer runtimeapi.ListPodSandboxResponse
	for _, s := range f.sandboxes {
		if want := r.GetFilter().GetLabelSelector()[canaryLabel]; want != "" && s.Labels[canaryLabel] != want {
			continue
		}
		answer.Items = append(answer.Items, proto.CloneOf(s))
	}
	return &answer, nil
}

// ContainerStatus answers.
func (f *fake) ContainerStatus(ctx context.Context, r *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	if err := f.enter(ctx, "ContainerStatus", r.ContainerId); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.containers[r.ContainerId]
	if st == nil {
		return nil, status.Errorf(codes.NotFound, "an error occurred when try to find container %q", r.ContainerId)
	}
	answer := &runtimeapi.ContainerStatusResponse{Status: proto.CloneOf(st)}
	if r.Verbose {
		f.asked["verbose"]++
		answer.Info = map[string]string{"info": f.info}
	}
	return answer, nil
}

// GetContainerEvents sends what emit is given.
func (f *fake) GetContainerEvents(_ *runtimeapi.GetEventsRequest, s runtimeapi.RuntimeService_GetContainerEventsServer) error {
	f.mu.Lock()
	f.asked["GetContainerEvents"]++
	if f.deaf {
		f.mu.Unlock()
		return status.Error(codes.Unimplemented, "method GetContainerEvents not implemented")
	}
	c := make(chan *runtimeapi.ContainerEventResponse, 64)
	f.streams[c] = true
	f.mu.Unlock()
	defer f.set(func() { delete(f.streams, c) })
	for {
		select {
		case <-s.Context().Done():
			return nil
		case e, ok := <-c:
			if !ok {
				return status.Error(codes.Unavailable, "the server stops")
			}
			if err := s.Send(e); err != nil {
				return err
			}
		}
	}
}

// emit sends an event about a container that there is.
func (f *fake) emit(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := proto.CloneOf(f.containers[id])
	e := &runtimeapi.ContainerEventResponse{
		ContainerId: id, CreatedAt: time.Now().UnixNano(), ContainersStatuses: []*runtimeapi.ContainerStatus{st},
		PodSandboxStatus: &runtimeapi.PodSandboxStatus{Metadata: &runtimeapi.PodSandboxMetadata{Uid: st.Labels[labelUID]}},
	}
	for c := range f.streams {
		select {
		case c <- e:
		default: // nobody reads, and it is lost
		}
	}
}

// run starts attempt n of a container, as the kubelet would.
func (f *fake) run(pod, container string, n int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	id := fmt.Sprintf("%s-%s-%d-%d", pod, container, n, f.made)
	now := time.Now().UnixNano()
	f.containers[id] = &runtimeapi.ContainerStatus{
		Id: id, Metadata: &runtimeapi.ContainerMetadata{Name: container, Attempt: uint32(n)}, State: runtimeapi.ContainerState_CONTAINER_RUNNING,
		CreatedAt: now, StartedAt: now, Image: &runtimeapi.ImageSpec{Image: "sha256:1", UserSpecifiedImage: "app:v1"}, ImageRef: "app@sha256:2",
		Labels:      map[string]string{labelUID: "uid-" + pod, labelPod: pod, labelNamespace: "shop", labelContainer: container},
		Annotations: map[string]string{noteRestarts: strconv.Itoa(n)},
		Mounts:      []*runtimeapi.Mount{{HostPath: "/var/lib/x", ContainerPath: "/data", Readonly: true}},
	}
	f.sandboxOf[id] = "box-" + pod
	return id
}

func (f *fake) exit(id string, code int32, reason string) {
	f.set(func() {
		st := f.containers[id]
		st.State, st.ExitCode, st.Reason, st.FinishedAt = runtimeapi.ContainerState_CONTAINER_EXITED, code, reason, time.Now().UnixNano()
	})
}

func (f *fake) remove(ids ...string) {
	f.set(func() {
		for _, id := range ids {
			delete(f.containers, id)
		}
	})
}

func (f *fake) sandbox(pod, id string, attempt uint32, ready bool) {
	f.set(func() {
		s := f.sandboxes[id]
		if s == nil {
			s = &runtimeapi.PodSandbox{
				Id: id, CreatedAt: time.Now().UnixNano(), Metadata: &runtimeapi.PodSandboxMetadata{Attempt: attempt},
				Labels: map[string]string{labelUID: "uid-" + pod, labelPod: pod, labelNamespace: "shop"},
			}
			f.sandboxes[id] = s
		}
		s.State = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
		if ready {
			s.State = runtimeapi.PodSandboxState_SANDBOX_READY
		}
	})
}

// A memory is what was told.
type memory struct {
	mu   sync.Mutex
	list []record.Entry
}

func (m *memory) tell(e record.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.Seq, e.At = uint64(len(m.list)+1), time.Now()
	m.list = append(m.list, e)
}

// told returns in words what was told since it was last asked.
func (m *memory) told(from *int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list[*from:]
	*from = len(m.list)
	return words(list)
}

func words(list []record.Entry) []string {
	var said []string
	for _, e := range list {
		switch {
		case e.Run != nil:
			said = append(said, fmt.Sprintf("%s %s %d %s", e.Run.Of, e.Run.State, e.Run.ExitCode, e.Run.Reason))
		case e.Gap != nil:
			said = append(said, fmt.Sprintf("gap %s %d %s: %s", e.Gap.About, e.Gap.Count, e.Gap.Unit, e.Gap.Why))
		default:
			said = append(said, fmt.Sprintf("%s %s %.1f", e.Fact.Name, e.Fact.About, e.Fact.Value))
		}
	}
	return said
}

// A bench is a reader at work on a fake runtime.
type bench struct {
	t    *testing.T
	fake *fake
	*memory
	reader  *Reader
	restore []record.Entry // what a reader is given instead of all that was told
	from    int
	stop    func()
	ended   chan error
}

// play runs a test in time that passes only when all wait.
func play(t *testing.T, do func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, fake: newFake(), memory: &memory{}}
		b.fake.start()
		b.begin(Options{})
		do(b)
		b.end()
		b.fake.stop()
	})
}

// begin starts a reader that knows what was told before.
func (b *bench) begin(o Options) {
	o.Node, o.Tell, o.Socket = "n1", b.tell, "test.sock"
	r, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	before := b.restore
	if before == nil {
		before = b.list
	}
	for _, e := range slices.Clone(before) {
		r.Restore(e)
	}
	r.wrong = time.Now() // what this runtime does, no event tells of unless a test sends one: it is listed each second
	b.serve(r)
}

func (b *bench) serve(r *Reader) {
	ctx, stop := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	b.reader, b.stop, b.ended = r, stop, ended
	go func() { ended <- r.follow(ctx, r.link.watch(b.fake.dial)) }()
	b.wait(100 * time.Millisecond)
}

func (b *bench) end() {
	b.t.Helper()
	b.stop()
	if err := <-b.ended; err != nil {
		b.t.Error(err)
	}
}

func (b *bench) wait(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// expect compares what was told since the last time.
func (b *bench) expect(want ...string) {
	b.t.Helper()
	if got := b.told(&b.from); !slices.Equal(got, want) {
		b.t.Errorf("told\n%q, want\n%q", got, want)
	}
}

func (b *bench) calls(method string) int {
	b.fake.mu.Lock()
	defer b.fake.mu.Unlock()
	return maps.Clone(b.fake.asked)[method]
}
