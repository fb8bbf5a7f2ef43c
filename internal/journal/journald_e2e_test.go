// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package journal

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	remote   = "/lib/systemd/systemd-journal-remote"
	journald = "/lib/systemd/systemd-journald"
)

// output runs a program of systemd's, in UTC.
func output(t *testing.T, in []byte, env []string, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = bytes.NewReader(in)
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s (Debian has it in systemd-journal-remote and systemd): %v\n%s", name, err, failed.Bytes())
	}
	return out
}

// export are so many entries in systemd's export format, with fields of several lines, of no text, large and none.
func export(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\nPRIORITY=%d\n", 1767355200000000+i*1000, 5000000+i*1000, bootA, i%8)
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=kernel\n_SOURCE_MONOTONIC_TIMESTAMP=%d\nMESSAGE=usb 1-1: %d\n", 5000000+i*1000-7, i)
		case 1:
			fmt.Fprintf(&b, "_TRANSPORT=stdout\n_SYSTEMD_UNIT=kubelet.service\nSYSLOG_IDENTIFIER=kubelet\nMESSAGE=E0102 kubelet.go:1] %d\n", i)
		case 2:
			text := fmt.Sprintf("one %d\ntwo\x00\x01\xff", i)
			fmt.Fprintf(&b, "_SYSTEMD_UNIT=containerd.service\nMESSAGE\n%s%s\n", string([]byte{byte(len(text)), 0, 0, 0, 0, 0, 0, 0}), text)
		case 3:
			fmt.Fprintf(&b, "_SYSTEMD_UNIT=crio.service\nMESSAGE=%s\n", strings.Repeat(fmt.Sprintf("large %d ", i), 1+i%400))
		case 4:
			fmt.Fprintf(&b, "_SYSTEMD_UNIT=run-%d.scope\nMESSAGE=\nX=1\nX=2\n", i)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// TestAgainstJournalctl: of 20,000 entries that systemd-journal-remote wrote, in each form that it can write, each is read as journalctl
// reads it.
func TestAgainstJournalctl(t *testing.T) {
	text := export(20000)
	for name, form := range map[string]struct{ env, args []string }{
		"compact": {nil, nil},
		"regular": {[]string{"SYSTEMD_JOURNAL_COMPACT=0"}, nil},
		"plain":   {[]string{"SYSTEMD_JOURNAL_COMPACT=0", "SYSTEMD_JOURNAL_KEYED_HASH=0"}, []string{"--compress=no"}},
	} {
		h := newHost(t)
		h.put("var/"+machine+"/x", nil)
		file := filepath.Join(h.dir, "var", machine, "system.journal")
		output(t, text, form.env, remote, append(form.args, "-o", file, "--split-mode=none", "-")...)
		golden := output(t, nil, nil, "journalctl", "--all", "-o", "json", "--file", file)
		for of, fits := range map[string]func(Entry) bool{
			"_TRANSPORT=kernel": func(e Entry) bool { return e.Transport == "kernel" },
			"":                  isOfUnits,
		} {
			match := ofUnits
			if of != "" {
				match = []string{of}
			}
			r := h.reader(Options{Match: match})
			began := cpu(t)
			got := all(t, r)
			used := cpu(t) - began
			want := fromJournalctl(t, golden, fits)
			if diff := cmp.Diff(want, got); diff != "" || r.Damaged()+r.Unread() > 0 {
				t.Errorf("%s: damaged %d, unread %d (-want +got):\n%s", name, r.Damaged(), r.Unread(), diff)
			}
			began = cpu(t)
			for range 1000 {
				all(t, r)
			}
			t.Logf("%s: %d entries, %v of processor time for each, %v for a look that finds none", name, len(got), used/time.Duration(len(got)), (cpu(t)-began)/1000)
		}
	}
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A daemon is a journald whose files are below a directory of the test.
type daemon struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	socket net.Conn
}

func startJournald(t *testing.T, h host) *daemon {
	t.Helper()
	for _, d := range []string{"run/systemd/journal", "run/log", "var"} {
		if err := os.MkdirAll(filepath.Join(h.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const script = `mount --make-rprivate / && mkdir -p /var/log/journal && mount --bind "$0/var" /var/log/journal && mount --bind "$0/run" /run && exec ` + journald
	d := &daemon{t: t, dir: h.dir, cmd: exec.CommandContext(t.Context(), "unshare", "-m", "sh", "-c", script, h.dir)}
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		_ = d.cmd.Wait()
	})
	d.until("its socket is there", func() bool {
		var err error
		d.socket, err = net.Dial("unixgram", filepath.Join(h.dir, "run/systemd/journal/socket"))
		return err == nil
	})
	t.Cleanup(func() { d.socket.Close() })
	return d
}

// until waits until something is so.
func (d *daemon) until(what string, is func() bool) {
	d.t.Helper()
	end := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-end:
			d.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

func (d *daemon) say(n int) {
	d.t.Helper()
	if _, err := fmt.Fprintf(d.socket, "SYSLOG_IDENTIFIER=inquest\nMESSAGE=%d %s\n", n, strings.Repeat("x", n%2000)); err != nil {
		d.t.Fatal(err)
	}
}

// A listener reads what a journald is given.
type listener struct {
	*daemon
	h    host
	r    *Reader
	said int
	got  []int
}

// begin makes a reader that goes on from a place.
func (l *listener) begin(from Cursor) {
	l.t.Helper()
	r, err := New(Options{Root: l.h.root, Dirs: []string{"var", "run/log/journal"}, Match: []string{"SYSLOG_IDENTIFIER=inquest"}, From: from})
	if err != nil {
		l.t.Fatal(err)
	}
	l.r = r
}

func (l *listener) read() {
	_, _ = l.r.Read(func(e Entry) {
		n, err := strconv.Atoi(strings.Fields(e.Message)[0])
		if err != nil || e.Transport != "journal" || e.PID != os.Getpid() {
			l.t.Errorf("%+v", e)
		}
		l.got = append(l.got, n)
	})
}

// more says some without reading.
func (l *listener) more(n int) {
	for range n {
		l.say(l.said)
		l.said++
	}
}

// some says some, and reads now and then, and all in the end.
func (l *listener) some(n int) {
	for range n {
		if l.more(1); l.said%37 == 0 {
			l.read()
		}
	}
	l.until("all is read", func() bool { l.read(); return len(l.got) >= l.said })
}

// files counts those of a name, in memory and on the disk.
func (l *listener) files(name string) int {
	disk, _ := filepath.Glob(filepath.Join(l.h.dir, "*", "*", name))
	memory, _ := filepath.Glob(filepath.Join(l.h.dir, "run/log/journal/*", name))
	return len(disk) + len(memory)
}

func (l *listener) rotate() {
	before := l.files("system@*")
	_ = l.cmd.Process.Signal(syscall.SIGUSR2)
	l.until("it has rotated", func() bool { return l.files("system@*") > before })
}

// TestJournald: what a real journald is given is read once, while it writes, rotates its files, moves them to the disk and is killed.
func TestJournald(t *testing.T) {
	h := newHost(t)
	l := &listener{daemon: startJournald(t, h), h: h}
	l.begin(Cursor{})
	defer func() { l.r.Close() }()
	l.some(500)
	for range 3 {
		l.rotate()
		l.some(300)
	}
	l.rotate()
	l.more(100)
	l.rotate() // twice between two looks
	l.some(100)
	_ = l.cmd.Process.Signal(syscall.SIGUSR1) // to the disk
	l.until("it has moved", func() bool {
		files, _ := filepath.Glob(filepath.Join(h.dir, "var", "*", "system.journal"))
		return len(files) > 0
	})
	l.some(300)
	l.rotate()
	l.some(300)
	from := l.r.Cursor()
	l.r.Close()
	l.more(50)
	l.rotate()
	l.begin(from)
	l.some(50)
	_ = l.cmd.Process.Kill() // the file stays as it is
	_ = l.cmd.Wait()
	l.daemon = startJournald(t, h)
	l.until("it has moved what it has to the disk", func() bool {
		_ = l.cmd.Process.Signal(syscall.SIGUSR1)
		files, _ := filepath.Glob(filepath.Join(h.dir, "run/log/journal/*/system.journal"))
		return len(files) == 0
	})
	l.some(200)
	l.check()
}

// check compares what was read with what was said.
func (l *listener) check() {
	l.t.Helper()
	for i, n := range l.got {
		if i != n {
			l.t.Fatalf("%d stands where %d was said, of %d", n, i, l.said)
		}
	}
	if gap, missed := l.r.Missed(); missed || l.r.Damaged()+l.r.Unread() > 0 || len(l.got) != l.said {
		l.t.Errorf("%d of %d; missed %v %v, damaged %d, unread %d", len(l.got), l.said, missed, gap, l.r.Damaged(), l.r.Unread())
	}
}
