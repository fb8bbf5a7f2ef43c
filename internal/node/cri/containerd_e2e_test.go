// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package cri

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/kubeinquest/inquest/internal/node/ring"
	"github.com/kubeinquest/inquest/internal/record"
)

// A machine is a containerd of its own, in mount, pid and ipc namespaces that end with it. It is made of the programs that
// the lab has built, and needs root.
type machine struct {
	tb      testing.TB
	dir     string
	bin     string
	cmd     *exec.Cmd
	runtime runtimeapi.RuntimeServiceClient
}

const (
	appImage   = "lab.local/app:v1"
	pauseImage = "lab.local/pause:1"
	group      = "/inquest-cri-test"
)

// script starts containerd as the first process of a pid namespace: when it ends, so do all containers.
const script = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
exec "$0" --config "$1" --log-level warn`

const config = `version = 3
root = '%[1]s/root'
state = '%[1]s/state'

[grpc]
  address = '%[1]s/c.sock'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '` + pauseImage + `'

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '%[2]s/runc'
  SystemdCgroup = false
`

func startMachine(tb testing.TB) *machine {
	tb.Helper()
	cache := os.Getenv("INQUEST_LAB_CACHE")
	if cache == "" {
		var err error
		if cache, err = os.UserCacheDir(); err != nil {
			tb.Fatal(err)
		}
	}
	cache = filepath.Join(cache, "inquest-lab", "cache")
	dir := tb.TempDir()
	m := &machine{tb: tb, dir: dir, bin: filepath.Join(cache, "bin")}
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), fmt.Appendf(nil, config, dir, m.bin), 0o600); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.remove)
	m.up()
	out, err := exec.CommandContext(tb.Context(), filepath.Join(m.bin, "ctr"), "-a", m.socket(), "-n", "k8s.io", "images", "import", filepath.Join(cache, "images.tar")).CombinedOutput()
	if err != nil {
		tb.Fatalf("import images: %v: %s", err, out)
	}
	return m
}

func (m *machine) socket() string { return filepath.Join(m.dir, "c.sock") }

// up starts containerd and waits until it answers.
func (m *machine) up() {
	m.tb.Helper()
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		m.tb.Fatal(err)
	}
	m.cmd = exec.Command("sh", "-c", script, filepath.Join(m.bin, "containerd"), filepath.Join(m.dir, "config.toml"))
	m.cmd.Env = append(os.Environ(), "PATH="+m.bin+":"+os.Getenv("PATH"))
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC, Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		m.tb.Fatal(err)
	}
	conn, err := grpc.NewClient("unix://"+m.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		m.tb.Fatal(err)
	}
	m.tb.Cleanup(func() { _ = conn.Close() })
	m.runtime = runtimeapi.NewRuntimeServiceClient(conn)
	m.until("containerd answers", func() bool {
		s, err := m.runtime.Status(m.tb.Context(), &runtimeapi.StatusRequest{})
		return err == nil && s.GetStatus() != nil
	})
}

// down kills containerd and, as it is the first process of its namespace, everything in it.
func (m *machine) down() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
}

func (m *machine) remove() {
	m.down()
	if m.tb.Failed() {
		log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
		m.tb.Logf("containerd: %s", log[max(0, len(log)-4000):])
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*" + group)
	for _, g := range groups {
		_ = exec.Command("find", g, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
	}
}

func (m *machine) until(what string, ok func() bool) {
	m.tb.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
			m.tb.Fatalf("never: %s; containerd: %s", what, log)
		}
	}
}

func sandboxConfig(pod string, attempt uint32) *runtimeapi.PodSandboxConfig {
	return &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: pod, Uid: "uid-" + pod, Namespace: "shop", Attempt: attempt},
		Labels:   map[string]string{labelPod: pod, labelNamespace: "shop", labelUID: "uid-" + pod},
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent:    group + "/kubepods/pod" + pod,
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE}},
		},
	}
}

func (m *machine) sandbox(pod string, attempt uint32) string {
	m.tb.Helper()
	s, err := m.runtime.RunPodSandbox(m.tb.Context(), &runtimeapi.RunPodSandboxRequest{Config: sandboxConfig(pod, attempt)})
	if err != nil {
		m.tb.Fatal(err)
	}
	return s.GetPodSandboxId()
}

// container starts attempt n of a container.
func (m *machine) container(box, pod string, n int, args ...string) string {
	m.tb.Helper()
	c, err := m.runtime.CreateContainer(m.tb.Context(), &runtimeapi.CreateContainerRequest{
		PodSandboxId: box, SandboxConfig: sandboxConfig(pod, 0),
		Config: &runtimeapi.ContainerConfig{
			Metadata:    &runtimeapi.ContainerMetadata{Name: "app", Attempt: uint32(n)},
			Image:       &runtimeapi.ImageSpec{Image: appImage, UserSpecifiedImage: appImage},
			Args:        args,
			Envs:        []*runtimeapi.KeyValue{{Key: "PASSWORD", Value: []byte("hunter2")}},
			Mounts:      []*runtimeapi.Mount{{HostPath: m.dir, ContainerPath: "/data", Readonly: true}},
			Labels:      map[string]string{labelPod: pod, labelNamespace: "shop", labelUID: "uid-" + pod, labelContainer: "app"},
			Annotations: map[string]string{noteRestarts: strconv.Itoa(n)},
			Linux: &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{
				NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE, Pid: runtimeapi.NamespaceMode_CONTAINER},
			}},
		},
	})
	if err != nil {
		m.tb.Fatal(err)
	}
	if _, err := m.runtime.StartContainer(m.tb.Context(), &runtimeapi.StartContainerRequest{ContainerId: c.GetContainerId()}); err != nil {
		m.tb.Fatal(err)
	}
	return c.GetContainerId()
}

// follow runs a reader on the machine.
func (m *machine) follow(o Options) (*Reader, *memory) {
	m.tb.Helper()
	told := &memory{}
	return m.followTo(o, told.tell), told
}

func (m *machine) followTo(o Options, tell func(record.Entry)) *Reader {
	m.tb.Helper()
	o.Socket, o.Node, o.Tell = m.socket(), "n1", tell
	r, err := New(o)
	if err != nil {
		m.tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	m.tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			m.tb.Error(err)
		}
	})
	return r
}

// end returns the entry about the end of a run, with its reason.
func (m *memory) end(id string) *record.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.list {
		if e.Run != nil && e.Run.ID == id && e.Run.State == record.Exited && e.Run.Reason != "" {
			return &e
		}
	}
	return nil
}

func (m *memory) has(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.list, func(e record.Entry) bool { return e.Fact != nil && e.Fact.Name == name })
}

// TestContainerd follows a real runtime: what it says of a run, a sandbox that is replaced, and a runtime that is stopped in
// its tracks and killed.
func TestContainerd(t *testing.T) {
	m := startMachine(t)
	box := m.sandbox("web", 0)
	r, told := m.follow(Options{Timeout: 2 * time.Second})
	id := m.container(box, "web", 2, "crash", "-code", "7")
	m.until("the end is told", func() bool { return told.end(id) != nil })
	e := told.end(id)
	run := *e.Run
	want := fmt.Sprintf("pod/web[app]#2 7 Error /app … -code … %s:/data:ro %s", m.dir, appImage)
	if got := fmt.Sprint(run.Of, " ", run.ExitCode, " ", run.Reason, " ", strings.Join(run.Command, " "), " ", strings.Join(run.Mounts, " "), " ", run.Image); got != want || !strings.HasPrefix(run.Runtime, "containerd 2.") || run.Sandbox != box {
		t.Errorf("told %s (%+v), want %s", got, run, want)
	}
	if run.Finished.Before(run.Started) || run.Started.Before(run.Created) || run.Created.IsZero() || e.PodUID != "uid-web" {
		t.Errorf("times of %+v", run)
	}
	if ref, uid, ok := r.Index().Place("../../poduid/" + id); ref != run.Of || uid != "uid-web" || !ok {
		t.Errorf("placed at %s", ref)
	}
	m.signal(syscall.SIGSTOP)
	m.until("hung", func() bool { return told.has("runtime-hung") })
	m.signal(syscall.SIGCONT)
	m.until("answers", func() bool { return told.has("runtime-answers") })
	if _, err := m.runtime.StopPodSandbox(t.Context(), &runtimeapi.StopPodSandboxRequest{PodSandboxId: box}); err != nil {
		t.Fatal(err)
	}
	m.sandbox("web", 1)
	m.until("replaced", func() bool { return told.has(sandboxEnded) && told.has(sandboxCreated) })
	m.down()
	m.until("gone", func() bool { return told.has("runtime-gone") })
	m.up()
	m.until("back", func() bool { return told.has("runtime-back") })
	t.Logf("%s", strings.Join(words(told.list), "\n"))
}

func (m *machine) signal(s syscall.Signal) {
	if err := m.cmd.Process.Signal(s); err != nil {
		m.tb.Fatal(err)
	}
}

// TestCanaryOnContainerd makes a real sandbox and container, removes what a canary that was killed left, says why the runtime cannot, and
// leaves nothing.
func TestCanaryOnContainerd(t *testing.T) {
	m := startMachine(t)
	orphan := &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: canaryName, Uid: canaryName + "-x", Namespace: canaryName}, Labels: map[string]string{canaryLabel: "n1"},
		Linux: sandboxConfig("canary", 0).Linux,
	}
	if _, err := m.runtime.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: orphan}); err != nil {
		t.Fatal(err)
	}
	m.sandbox("other", 0)
	for name, c := range map[string]struct {
		o           CanaryOptions
		want, words string
	}{
		"well":                 {CanaryOptions{Image: appImage, Command: []string{"/app", "sleep"}, HostNetwork: true}, "canary", "made and removed a sandbox"},
		"an image that is not": {CanaryOptions{Image: "lab.local/none:1", HostNetwork: true}, "canary-failed", "CreateContainer: "},
		"no network plugin":    {CanaryOptions{}, "canary-failed", "RunPodSandbox: "},
	} {
		told := &memory{}
		c.o.Socket, c.o.Node, c.o.Tell, c.o.CgroupParent = m.socket(), "n1", told.tell, group+"/canary"
		canary, err := NewCanary(c.o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- canary.Run(ctx) }()
		m.until("the canary is told of", func() bool { return told.has("canary") || told.has("canary-failed") })
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if fact := told.list[0].Fact; fact.Name != c.want || !strings.Contains(fact.Text, c.words) || fact.Value <= 0 {
			t.Errorf("%s: told %+v", name, fact)
		}
		t.Logf("%s: %s", name, told.list[0].Fact.Text)
		left, err := m.runtime.ListPodSandbox(t.Context(), &runtimeapi.ListPodSandboxRequest{})
		if err != nil || len(left.GetItems()) != 1 || left.GetItems()[0].GetMetadata().GetName() != "other" {
			t.Errorf("%s: left %v (%v)", name, left, err)
		}
	}
}

// BenchmarkEnd measures how long after the end of a process its entry can be fetched, which is when a reader that follows the record on
// disk has it, with the runtime's events and without; how much of that passed after another reader of containerd's events in this
// process had heard of it; and the same from the runtime's word by CRI, which comes after it has removed what was left of the process:
// less than nothing where its task events were faster.
// make bench-ends runs it.
func BenchmarkEnd(b *testing.B) {
	for _, mode := range []struct {
		name string
		o    Options
	}{{"events", Options{}}, {"lists", Options{NoEvents: true}}} {
		b.Run(mode.name, func(b *testing.B) {
			m := startMachine(b)
			box := m.sandbox("web", 0)
			f := m.fetch(mode.o)
			stopped, exits := m.stops(), m.exits()
			n := 0
			var all, why, late, ours []time.Duration
			for b.Loop() {
				id := m.container(box, "web", n, "crash", "-code", "7", "-after", "500ms")
				n++
				said := awaits(stopped, id)
				end, whole := f.await(id)
				all, why, late = append(all, end.at.Sub(end.run.Finished)), append(why, whole.at.Sub(end.run.Finished)), append(late, end.at.Sub(said))
				for heard := range exits {
					if heard.id == id {
						ours = append(ours, end.at.Sub(heard.heard))
						break
					}
				}
				if _, err := m.runtime.RemoveContainer(b.Context(), &runtimeapi.RemoveContainerRequest{ContainerId: id}); err != nil {
					b.Fatal(err)
				}
			}
			report(b, "", all)
			report(b, "-with-reason", why)
			report(b, "-after-task-event", ours)
			report(b, "-after-cri-event", late)
			if load, err := os.ReadFile("/proc/loadavg"); err == nil {
				b.Logf("%s: %d ends; load average %s", mode.name, n, load)
			}
		})
	}
}

// A fetched entry is about a run that ended, and when a reader had it.
type fetched struct {
	run record.Run
	at  time.Time
}

// A fetcher is a reader that follows a record on disk.
type fetcher struct{ ends chan fetched }

// fetch has a reader keep a record, and follows that.
func (m *machine) fetch(o Options) fetcher {
	m.tb.Helper()
	kept, err := ring.Open(ring.Options{Dir: m.tb.TempDir(), Node: "n1", Boot: "b"})
	if err != nil {
		m.tb.Fatal(err)
	}
	m.tb.Cleanup(func() { _ = kept.Close() })
	m.followTo(o, kept.Tell)
	f := fetcher{make(chan fetched, 1024)}
	ctx, stop := context.WithCancel(context.Background())
	m.tb.Cleanup(stop)
	go func() {
		for next := uint64(1); kept.Wait(ctx, next) == nil; {
			for e, err := range kept.Read(next) {
				if err != nil {
					return
				}
				next = e.Seq + 1
				if e.Run != nil && e.Run.State == record.Exited {
					f.ends <- fetched{*e.Run, time.Now()}
				}
			}
		}
	}()
	return f
}

// await returns when the end of a run could be fetched first, and when with its reason.
func (f fetcher) await(id string) (end, whole fetched) {
	for e := range f.ends {
		if e.run.ID != id {
			continue
		}
		if end.at.IsZero() {
			end = e
		}
		if e.run.Reason != "" {
			return end, e
		}
	}
	return end, whole
}

func report(b *testing.B, part string, list []time.Duration) {
	slices.SortFunc(list, cmp.Compare)
	for of, i := range map[string]int{"p50": len(list) / 2, "p99": len(list) * 99 / 100, "max": len(list) - 1} {
		b.ReportMetric(float64(list[i].Microseconds())/1000, "ms-"+of+part)
	}
}

// exits returns the ends that containerd tells of by its own events, and when they were heard.
func (m *machine) exits() <-chan taskEnd {
	m.tb.Helper()
	c := make(chan taskEnd, 1024)
	own := connect(new(link).to(m.socket()))
	ctx, stop := context.WithCancel(context.Background())
	m.tb.Cleanup(stop)
	go func() {
		_ = own.stream(ctx, subscribe, taskFilters(), func(data []byte) {
			if t, err := readTask(data); err == nil && t.topic == topicExit && !t.exec {
				t.end.heard = time.Now()
				c <- t.end
			}
		})
	}()
	return c
}

// awaits returns when the runtime said that a container stopped.
func awaits(stopped <-chan *runtimeapi.ContainerEventResponse, id string) time.Time {
	for e := range stopped {
		if e.GetContainerId() == id {
			return time.Unix(0, e.GetCreatedAt())
		}
	}
	return time.Time{}
}

// stops returns the events of containers that stopped.
func (m *machine) stops() <-chan *runtimeapi.ContainerEventResponse {
	m.tb.Helper()
	s, err := m.runtime.GetContainerEvents(m.tb.Context(), &runtimeapi.GetEventsRequest{})
	if err != nil {
		m.tb.Fatal(err)
	}
	c := make(chan *runtimeapi.ContainerEventResponse, 1024)
	go func() {
		for {
			e, err := s.Recv()
			if err != nil {
				return
			}
			if e.GetContainerEventType() == runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT {
				c <- e
			}
		}
	}()
	return c
}
