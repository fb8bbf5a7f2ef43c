// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package signals

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// tracefs is mounted for the tests alone: TestMain begins again in a mount namespace of its own.
const tracefs = "/sys/kernel/tracing"

func TestMain(m *testing.M) {
	if how := os.Getenv("INQUEST_ENDS"); how != "" {
		endItself(how)
	}
	if os.Getenv("INQUEST_MOUNTED") != "" {
		if err := unix.Mount("nodev", tracefs, "tracefs", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "mount tracefs:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	c := exec.CommandContext(context.Background(), os.Args[0], os.Args[1:]...)
	c.Stdout, c.Stderr, c.Env = os.Stdout, os.Stderr, append(os.Environ(), "INQUEST_MOUNTED=1")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// endItself sends SIGKILL to the process itself: with the code that the kernel has for its own, or by a timer.
func endItself(how string) {
	if how == "timer" {
		event := [16]int32{2: int32(unix.SIGKILL)} // SIGEV_SIGNAL
		id, when := int32(0), unix.ItimerSpec{Value: unix.Timespec{Nsec: 1}}
		_, _, _ = unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&id)))
		_, _, _ = unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(id), 0, uintptr(unsafe.Pointer(&when)), 0, 0, 0)
		select {}
	}
	info := [32]int32{0: int32(unix.SIGKILL), 2: fromKernel}
	target := os.Getpid()
	if how == "another" {
		target = os.Getppid()
	}
	runtime.LockOSThread() // of the first thread, which TestMain runs on
	_, _, failed := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(target), uintptr(unix.SIGKILL), uintptr(unsafe.Pointer(&info)))
	fmt.Println("refused:", failed)
	os.Exit(1)
}

// Containers of the tests: their control groups are named as the kubelet and containerd name them.
var (
	app   = "kubepods/burstable/pod00000000-0000-4000-8000-000000000001/" + strings.Repeat("a1", 32)
	side  = "kubepods/burstable/pod00000000-0000-4000-8000-000000000001/" + strings.Repeat("a2", 32)
	other = "kubepods/burstable/pod00000000-0000-4000-8000-000000000002/" + strings.Repeat("b1", 32)
)

func place(group string) (evidence.Ref, string, bool) {
	web := evidence.RefTo("Pod", "shop", "web-0")
	switch {
	case strings.HasSuffix(group, app):
		return web.InContainer("app").InAttempt(1), "u1", true
	case strings.HasSuffix(group, side):
		return web.InContainer("side").InAttempt(0), "u1", true
	case strings.HasSuffix(group, other):
		return evidence.RefTo("Pod", "shop", "evil-0").InContainer("tool").InAttempt(0), "u2", true
	}
	return evidence.Ref{}, "", false
}

// node is a name that no node has, as agents may run here.
func node() string { return fmt.Sprintf("e2e-%d", os.Getpid()) }

const memory = "/sys/fs/cgroup/memory"

// makeGroups makes the control groups of the containers, with a limit of 16 MiB for the app.
func makeGroups(t *testing.T) {
	t.Helper()
	for _, g := range []string{app, side, other} {
		if err := os.MkdirAll(filepath.Join(memory, "inquest-e2e", g), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(memory, "inquest-e2e", app, "memory.limit_in_bytes"), []byte("16777216"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(memory, "inquest-e2e"), func(path string, d os.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				dirs = append([]string{path}, dirs...)
			}
			return nil
		})
		for _, dir := range dirs {
			err := os.Remove(dir)
			for range 1000 { // those that were in it may still be ending
				if !errors.Is(err, unix.EBUSY) {
					break
				}
				<-time.After(time.Millisecond)
				err = os.Remove(dir)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// A box is a process in a control group; with a pid namespace of its own it is process 1 of a container.
type box struct {
	*exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

// run starts a script in a group, "" for none. It has read a line when it begins.
func run(t *testing.T, group string, namespace bool, program, script string) box {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, "-c", "read x; "+script)
	if namespace {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	}
	in, err := c.StdinPipe()
	var out io.ReadCloser
	if err == nil {
		out, err = c.StdoutPipe()
	}
	if err == nil {
		err = c.Start()
	}
	if err == nil && group != "" {
		err = os.WriteFile(filepath.Join(memory, "inquest-e2e", group, "cgroup.procs"), fmt.Append(nil, c.Process.Pid), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return box{c, in, out}
}

func (b box) begin(t *testing.T) box {
	t.Helper()
	if _, err := b.in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	return b
}

// ready waits for a line of the script.
func (b box) ready(t *testing.T) {
	t.Helper()
	for one := []byte{0}; one[0] != '\n'; {
		if _, err := b.out.Read(one); err != nil {
			t.Fatalf("a script ended: %v", err)
		}
	}
}

// A watch is a tracer that runs.
type watch struct {
	*Tracer
	entries chan record.Entry
	stop    func()
}

func start(t *testing.T) watch {
	t.Helper()
	w := watch{entries: make(chan record.Entry, 100_000)}
	tracer, err := New(Options{Node: node(), Tracefs: tracefs, Proc: "/proc", Place: place, Tell: func(e record.Entry) { w.entries <- e }})
	if err != nil {
		t.Fatal(err)
	}
	w.Tracer = tracer
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tracer.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(tracefs, "instances", nameFor(node()))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the instance is left behind: %v", err)
		}
	}
	for on := ""; on != "1\n"; { // until it traces
		if w.began() {
			b, _ := os.ReadFile(filepath.Join(tracefs, "instances", nameFor(node()), "events/signal/signal_generate/enable"))
			on = string(b)
		}
		select {
		case err := <-done:
			t.Fatalf("it does not trace: %v", err)
		default:
		}
	}
	return w
}

// began tells whether the trace that there is may be this one's.
func (w watch) began() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.since.IsZero()
}

// learns waits until the tracer knows a first process.
func (w watch) learns(t *testing.T, pid int) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		w.mu.Lock()
		known := w.known[pid]
		w.mu.Unlock()
		if known != nil {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("process %d is not known", pid)
		}
	}
}

// next returns the next fact about a target; 0: about any child.
func (w watch) next(t *testing.T, pid int) record.Entry {
	t.Helper()
	for {
		select {
		case e := <-w.entries:
			if e.Fact != nil && (pid == 0 && strings.HasPrefix(e.Fact.Name, child) || pid != 0 && strings.Contains(e.Fact.Text, fmt.Sprintf("pid %d", pid))) {
				return e
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no signal to %d is told; %+v", pid, w.Counts())
		}
	}
}

// programs makes two shells: inside has the name that a process has before the runtime lets it begin, runc that of the
// runtime.
func programs(t *testing.T) (inside, runc string) {
	t.Helper()
	inside, runc = filepath.Join(t.TempDir(), "runc:[2:INIT]"), filepath.Join(t.TempDir(), "runc")
	for _, name := range []string{runc, inside} {
		if err := os.Symlink("/bin/bash", name); err != nil {
			t.Fatal(err)
		}
	}
	return inside, runc
}

// container starts process 1 of the app's container, and waits until the tracer knows it.
func (w watch) container(t *testing.T, script string) box {
	t.Helper()
	inside, _ := programs(t)
	b := run(t, app, true, inside, "exec sh -c 'echo; "+script+"'").begin(t)
	b.ready(t)
	w.learns(t, b.Process.Pid)
	t.Cleanup(func() { _ = b.Process.Kill(); _ = b.Wait() })
	return b
}

// kills sends SIGKILL to the container from a script in a group, which lives on until the test ends.
func (w watch) kills(t *testing.T, group, program string) int {
	t.Helper()
	b := w.container(t, "exec sleep 1000")
	k := run(t, group, false, program, fmt.Sprintf("kill -9 %d; read y", b.Process.Pid)).begin(t)
	_ = b.Wait()
	t.Cleanup(func() { k.in.Close(); _ = k.Wait() })
	return b.Process.Pid
}

// tells checks the next fact about a process. The words may have its pid, or that of the test, in them.
func (w watch) tells(t *testing.T, pid int, name, words string) {
	t.Helper()
	words = strings.NewReplacer("PID", fmt.Sprint(pid), "SELF", fmt.Sprint(os.Getpid())).Replace(words)
	e := w.next(t, pid)
	t.Logf("%s: %s (told after %s)", e.Fact.Name, e.Fact.Text, time.Since(e.Fact.At))
	if e.Fact.Name != name || !strings.Contains(e.Fact.Text, words) || e.PodUID != "u1" || time.Since(e.Fact.At).Abs() > 10*time.Second {
		t.Errorf("told %+v %q, expected %s %q", e, e.Fact.Text, name, words)
	}
}

// TestRealSenders sends SIGKILL to process 1 of a container from all places there are.
func TestRealSenders(t *testing.T) {
	makeGroups(t)
	_, runc := programs(t)
	for _, c := range []struct{ what, group, program, name, words string }{
		{"a neighbour", other, "/bin/sh", byNeighbour, "(sh) of pod shop/evil-0, container tool to process 1 of container app (pid PID, "},
		{"the same pod", side, "/bin/sh", byPod, "(sh) of container side of the same pod to process 1 of container app (pid PID, "},
		{"the same container", app, "/bin/sh", byPod, "(sh) of the same container to process 1 of container app (pid PID, "},
		{"the runtime", "", runc, byRuntime, "(runc) of the runtime"},
		{"the node", "", "/bin/sh", byHost, "(sh) of the node"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := start(t)
			defer w.stop()
			w.tells(t, w.kills(t, c.group, c.program), c.name, c.words)
		})
	}
}

// TestRealFirstProcess has one that was there before the trace began, and one that ignores the signal.
func TestRealFirstProcess(t *testing.T) {
	makeGroups(t)
	inside, _ := programs(t)
	b := run(t, app, true, inside, "exec sh -c 'echo; exec sleep 1000'").begin(t)
	b.ready(t)
	w := start(t)
	defer w.stop()
	w.learns(t, b.Process.Pid)
	_ = b.Process.Signal(unix.SIGTERM)
	w.tells(t, b.Process.Pid, ignored+byHost, "SIGTERM from pid SELF (signals.test) of the node")
	_ = b.Process.Kill()
	_ = b.Wait()
	w.tells(t, b.Process.Pid, byHost, "SIGKILL from pid SELF (signals.test) of the node")
}

// TestRealKernelKills has the two reasons for which a kernel kills.
func TestRealKernelKills(t *testing.T) {
	makeGroups(t)
	w := start(t)
	defer w.stop()
	b := w.container(t, "read y; x=0123456789abcdef; while :; do x=$x$x; done")
	b.begin(t)
	_ = b.Wait()
	w.tells(t, b.Process.Pid, byKernel, "SIGKILL from the kernel for want of memory to process 1 of container app (pid PID, ")

	b = w.container(t, "sleep 1000 & echo; read y")
	b.ready(t)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", b.Process.Pid))
	var pid int
	if _, scanErr := fmt.Sscan(string(children), &pid); err != nil || scanErr != nil {
		t.Fatal(err, scanErr)
	}
	b.in.Close()
	_ = b.Wait()
	w.tells(t, pid, child+byKernel, "SIGKILL from the kernel at the end of process 1 to pid PID (")
}

// TestRealClaims has processes that end themselves as if the kernel did it: the kernel lets them, and nobody do it to others.
func TestRealClaims(t *testing.T) {
	makeGroups(t)
	w := start(t)
	defer w.stop()
	for how, words := range map[string]string{
		"code":  "SIGKILL from itself, or the kernel in its name as at a limit of processor time, to pid ",
		"timer": "SIGKILL from a timer, a file or a queue (code -2), for which the trace names no sender, to pid ",
	} {
		b := w.container(t, "read y; INQUEST_ENDS="+how+" "+os.Args[0]+" & read z; wait; echo; read z")
		b.begin(t)
		e := w.next(t, 0)
		if e.Fact.Name != child+byUnknown || !strings.Contains(e.Fact.Text, words) {
			t.Errorf("%s: told %s %q", how, e.Fact.Name, e.Fact.Text)
		}
		b.begin(t).ready(t) // the child is gone: the end of process 1 sends it nothing more
		b.in.Close()
		_ = b.Wait()
	}
	b := w.container(t, "read y; INQUEST_ENDS=another "+os.Args[0]+"; read z")
	b.begin(t)
	said, err := bufio.NewReader(b.out).ReadString('\n')
	if err != nil || said != "refused: operation not permitted\n" {
		t.Errorf("another process is killed with the kernel's code: %q, %v", said, err)
	}
	b.in.Close()
	_ = b.Wait()
}

// TestStaleInstance finds the trace of an agent that was killed.
func TestStaleInstance(t *testing.T) {
	dir := filepath.Join(tracefs, "instances", nameFor(node()))
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"filter": "sig==9", "enable": "1"} {
		if err := os.WriteFile(filepath.Join(dir, "events/signal/signal_generate", name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := run(t, "", false, "/bin/sh", "exec sleep 1000")
	_ = b.Process.Kill()
	_ = b.Wait()
	w := start(t)
	if _, err := openInstance(tracefs, node()); err == nil || !strings.Contains(err.Error(), "another agent runs") {
		t.Errorf("a second agent gets %v", err)
	}
	w.stop()
	e := <-w.entries
	if e.Gap == nil || e.Gap.Count < 1 || e.Gap.What != "signals" {
		t.Errorf("told %+v", e)
	}
}

func TestOtherNamespace(t *testing.T) {
	proc := t.TempDir()
	tracer, err := New(Options{Node: node(), Tracefs: tracefs, Proc: proc, Place: place, Tell: func(record.Entry) {}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "mount the host's /proc") {
		t.Errorf("got %v", err)
	}
	tracer.o.Tracefs = proc
	if err := tracer.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "is no tracefs") {
		t.Errorf("got %v", err)
	}
}
