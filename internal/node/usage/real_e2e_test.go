// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package usage

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// These tests need root and the machine's control groups, v1 or v2; lab/vm runs them on v2.

const cgroups = "/sys/fs/cgroup"

// TestMain is also what runs in the containers of these tests.
func TestMain(m *testing.M) {
	switch os.Getenv("INQUEST_CONTAINER") {
	case "":
		os.Exit(m.Run())
	case "parent": // of a child that takes more memory than there is
		await("begin")
		child := exec.Command(os.Args[0])
		child.Env = []string{"INQUEST_CONTAINER=child"}
		_ = child.Run()
		fmt.Println("child ended")
		await("end")
	case "burn":
		await("begin")
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		}
		fmt.Println("burned")
		await("end")
	case "child":
		<-time.After(200 * time.Millisecond) // it is put into its group meanwhile
		take()
	}
}

// stdin is read a line at a time.
var stdin = bufio.NewReader(os.Stdin)

func await(string) { _, _ = stdin.ReadString('\n') }

// take takes memory and uses it, more and more.
func take() {
	var all [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
		if len(all) > 1024 {
			return
		}
	}
}

// A pen is a hierarchy of control groups as a kubelet makes it.
type pen struct {
	t     testing.TB
	v2    bool
	names []string // below each hierarchy, outermost first
}

// newPen makes all groups of a path.
func newPen(t testing.TB, name string) *pen {
	t.Helper()
	_, err := os.Stat(cgroups + "/cgroup.controllers")
	p := &pen{t: t, v2: err == nil}
	at := ""
	p.enable("")
	for part := range strings.SplitSeq(name, "/") {
		at = path.Join(at, part)
		p.names = append(p.names, at)
		for _, h := range p.hierarchies() {
			if err := os.MkdirAll(filepath.Join(cgroups, h, at), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if at != name {
			p.enable(at)
		}
	}
	t.Cleanup(p.remove)
	return p
}

func (p *pen) hierarchies() []string {
	if p.v2 {
		return []string{"."}
	}
	return []string{"memory", "cpu", "cpuacct", "pids"}
}

func (p *pen) enable(at string) {
	if p.v2 {
		p.set(filepath.Join(at, "cgroup.subtree_control"), "+memory +cpu +pids +io")
	}
}

func (p *pen) set(name, value string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(cgroups, name), []byte(value), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// container is the path of the innermost group.
func (p *pen) container() string { return p.names[len(p.names)-1] }

// limit sets the memory limit and the CPU quota of the container.
func (p *pen) limit(memory, quota string) {
	p.t.Helper()
	c := p.container()
	if p.v2 {
		p.set(c+"/memory.max", memory)
		p.set(c+"/cpu.max", strings.Replace(quota, "-1", "max", 1)+" 100000")
		return
	}
	p.set("memory/"+c+"/memory.limit_in_bytes", memory)
	p.set("cpu/"+c+"/cpu.cfs_quota_us", quota)
}

// remove removes the groups, innermost first. The kernel takes a moment to let go of processes that have ended.
func (p *pen) remove() {
	for _, name := range slices.Backward(p.names) {
		for _, h := range p.hierarchies() {
			for range 1000 {
				err := syscall.Rmdir(filepath.Join(cgroups, h, name))
				if err != syscall.EBUSY {
					break
				}
				<-time.After(5 * time.Millisecond)
			}
		}
	}
}

// A run is a process in the container of a pen.
type run struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (p *pen) start(what string) *run {
	p.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"INQUEST_CONTAINER=" + what}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	for _, h := range p.hierarchies() {
		p.set(filepath.Join(h, p.container(), "cgroup.procs"), strconv.Itoa(cmd.Process.Pid))
	}
	return &run{cmd, in, bufio.NewReader(out)}
}

// next lets the process go on, and waits for what it says then, or for its end.
func (r *run) next() string {
	_, _ = io.WriteString(r.in, "go\n")
	line, _ := r.out.ReadString('\n')
	return strings.TrimSpace(line)
}

// observe runs a reader on the machine's control groups.
func observe(t *testing.T, below string) (r *Reader, facts chan evidence.Fact) {
	t.Helper()
	facts = make(chan evidence.Fact, 1000)
	r, err := New(Options{
		Cgroup: cgroups, Below: below, Node: node, Every: time.Second,
		Tell:  func(e record.Entry) { facts <- *e.Fact },
		Place: func(string) (evidence.Ref, string, bool) { return ref, uid, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- r.Run(t.Context()) }()
	t.Cleanup(func() { // the context has ended by now
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r, facts
}

func wanted(t *testing.T, facts chan evidence.Fact, name string) evidence.Fact {
	t.Helper()
	for {
		select {
		case f := <-facts:
			t.Logf("%s %s %.6g: %s", f.At.Format(time.RFC3339Nano), f.Name, f.Value, f.Text)
			if f.Name == name {
				return f
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s was not told", name)
		}
	}
}

func sampled(r *Reader) {
	for len(r.Samples(ref)) == 0 {
		<-time.After(time.Millisecond)
	}
}

var forms = map[string]string{
	"cgroupfs": "inquest-test/kubepods/burstable/pod" + uid + "/" + id,
	"systemd":  "inquest-test/" + inPod + "/cri-containerd-" + id + ".scope",
}

// TestRealChild kills a child in a container, whose parent lives on, and then ends the parent.
func TestRealChild(t *testing.T) {
	for form, name := range forms {
		t.Run(form, func(t *testing.T) {
			p := newPen(t, name)
			r, facts := observe(t, "inquest-test")
			sampled(r)
			p.limit(strconv.Itoa(64<<20), "-1")
			c := p.start("parent")
			if said := c.next(); said != "child ended" {
				t.Fatalf("the parent says %q", said)
			}
			killed := time.Now()
			if f := wanted(t, facts, "memory.oom-kill"); f.Value != 1 {
				t.Errorf("got %v", f)
			}
			t.Logf("the kill was told after %s", time.Since(killed))
			c.next()
			_ = c.cmd.Wait()
			dump(p, form+"-child")
			p.remove()
			if f := wanted(t, facts, "memory.peak"); f.Value < 60<<20 || f.Value > 70<<20 {
				t.Errorf("got %v", f)
			}
			if f := wanted(t, facts, "memory.oom-kills"); f.Value != 1 {
				t.Errorf("got %v", f)
			}
		})
	}
}

// TestRealGroup kills a container as a whole, which only v2 can, after it was slowed down near its limit.
func TestRealGroup(t *testing.T) {
	p := newPen(t, forms["systemd"])
	if !p.v2 {
		return
	}
	r, facts := observe(t, "inquest-test")
	sampled(r)
	p.limit(strconv.Itoa(64<<20), "-1")
	p.set(p.container()+"/memory.oom.group", "1")
	p.set(p.container()+"/memory.high", strconv.Itoa(60<<20))
	c := p.start("parent")
	if group, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.cmd.Process.Pid)); err == nil {
		t.Logf("the parent is in %s", group)
	}
	if said := c.next(); said != "" {
		t.Fatalf("the parent says %q, expected its end", said)
	}
	_ = c.cmd.Wait()
	dump(p, "group")
	p.remove()
	if f := wanted(t, facts, "memory.oom-kill"); f.Value < 1 || !strings.Contains(f.Text, "oom_group_kill 1") {
		t.Errorf("got %v", f)
	}
	if f := wanted(t, facts, "memory.oom-kills"); f.Value < 2 {
		t.Errorf("got %v", f)
	}
}

// TestRealQuota holds a container back by its quota.
func TestRealQuota(t *testing.T) {
	p := newPen(t, forms["cgroupfs"])
	r, facts := observe(t, "inquest-test")
	sampled(r)
	p.limit(strconv.Itoa(64<<20), "10000")
	c := p.start("burn")
	c.next()
	c.next()
	_ = c.cmd.Wait()
	dump(p, "quota")
	p.remove()
	if f := wanted(t, facts, "cpu.throttled"); f.Value <= 0 {
		t.Errorf("got %v", f)
	}
}
