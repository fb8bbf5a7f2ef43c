// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A process is what /proc said of one.
type process struct {
	pid     int // of its group of threads
	comm    string
	parent  int
	inner   int // its pid in the innermost namespace
	depth   int // how many namespaces there are around it; 1: only the machine's
	exiting bool
	groups  []string // its control groups, the most telling first
	borrows bool     // they are those of its parent: it was ending itself
	engine  bool     // the runtime started it, and not in a container
	ended   bool     // of one that is remembered: it was gone a minute ago
	sent    int      // signals to it in this minute, if it is remembered
	begun   uint64   // when it began, in clock ticks since boot; 0: not looked up
}

// first tells whether it is process 1 of a pid namespace other than the machine's.
func (p *process) first() bool { return p.depth > 1 && p.inner == 1 }

// A proc reads a file system /proc of the first pid namespace. It is opened once, and nothing but numbers and names of
// its files goes into a path.
type proc struct {
	fd  int
	buf [8 << 10]byte
}

func openProc(path string) (*proc, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &proc{fd: fd}, nil
}

func (p *proc) close() { _ = unix.Close(p.fd) }

// read returns the beginning of a file of a process. It is good until the next call.
func (p *proc) read(pid int, name string) ([]byte, error) {
	fd, err := unix.Openat(p.fd, strconv.Itoa(pid)+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	n := 0
	for n < len(p.buf) {
		m, err := unix.Read(fd, p.buf[n:])
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return p.buf[:n], nil
}

// self returns the thread's number as this /proc has it, 0 where it does not have it.
func (p *proc) self() int {
	n, err := unix.Readlinkat(p.fd, "thread-self", p.buf[:])
	if err != nil {
		return 0
	}
	tid, _ := strconv.Atoi(string(p.buf[bytes.LastIndexByte(p.buf[:n], '/')+1 : n]))
	return tid
}

// look returns what there is to know of a process or a thread, nil when it is gone.
func (p *proc) look(pid int) *process {
	if pid <= 0 {
		return nil
	}
	status, err := p.read(pid, "status")
	if err != nil {
		return nil
	}
	x, ok := parseStatus(status)
	if !ok {
		return nil
	}
	if groups, err := p.read(pid, "cgroup"); err == nil {
		x.groups = parseGroups(groups)
	}
	if slices.Equal(x.groups, []string{"/"}) { // in version 1, one that is ending is said to be there
		stat, err := p.read(pid, "stat")
		var flags uint64
		flags, x.begun = parseStat(stat)
		x.exiting = x.exiting || err != nil || flags&exitingFlag != 0
	}
	return x
}

// exitingFlag is PF_EXITING of include/linux/sched.h.
const exitingFlag = 0x4

// parseStatus reads what counts of the file "status". The kernel escapes newlines in the name, so that lines are its own.
func parseStatus(b []byte) (*process, bool) {
	x := &process{}
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(key) {
		case "Name":
			x.comm = printable(string(value))
		case "State":
			x.exiting = len(value) > 0 && (value[0] == 'Z' || value[0] == 'X')
		case "Tgid":
			x.pid, _ = strconv.Atoi(string(value))
		case "PPid":
			x.parent, _ = strconv.Atoi(string(value))
		case "NSpid":
			ids := strings.Fields(string(value))
			x.depth = len(ids)
			if len(ids) > 0 {
				x.inner, _ = strconv.Atoi(ids[len(ids)-1])
			}
		}
	}
	return x, x.pid > 0
}

// parseGroups reads the file "cgroup": the paths, each once, that of the memory controller first, then that of version 2,
// then the service manager's.
func parseGroups(b []byte) []string {
	var ranked [4][]string
	for line := range strings.Lines(string(b)) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		names, path, ok := strings.Cut(rest, ":")
		if !ok || !strings.HasPrefix(path, "/") {
			continue
		}
		rank := 3
		switch {
		case slices.Contains(strings.Split(names, ","), "memory"):
			rank = 0
		case names == "":
			rank = 1
		case names == "name=systemd":
			rank = 2
		}
		ranked[rank] = append(ranked[rank], strings.TrimSuffix(path, " (deleted)"))
	}
	var paths []string
	for _, path := range slices.Concat(ranked[:]...) {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// parseStat reads the flags and the start of the file "stat", from behind the name, which may hold anything.
func parseStat(b []byte) (flags, begun uint64) {
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return 0, 0
	}
	flags, _ = strconv.ParseUint(fields[6], 10, 64)
	begun, _ = strconv.ParseUint(fields[19], 10, 64)
	return flags, begun
}

// argv returns how a process was called, in one line: the program, and the script where it is an interpreter's. Other
// arguments may be secret.
func (p *proc) argv(pid int) string {
	b, err := p.read(pid, "cmdline")
	if err != nil {
		return ""
	}
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	called := args[0]
	if len(args) > 1 && strings.HasPrefix(args[1], "/") {
		called += " " + args[1]
	}
	if len(called) > maxArgv {
		called = called[:maxArgv] + "…"
	}
	return printable(called)
}

const maxArgv = 120

// pids lists the processes there are.
func (p *proc) pids() []int { return p.list(".") }

// threads lists those of a process.
func (p *proc) threads(pid int) []int { return p.list(strconv.Itoa(pid) + "/task") }

// list returns the numbers that a directory has.
func (p *proc) list(dir string) []int {
	fd, err := unix.Openat(p.fd, dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	var pids []int
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil || n <= 0 {
			return pids
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if pid, err := strconv.Atoi(name); err == nil {
				pids = append(pids, pid)
			}
		}
	}
}

// printable returns text that a process chose as one line of plain text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' || r >= 0x80 && !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
