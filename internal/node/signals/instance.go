// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// instancePrefix and the node's name are the name of the instance: where the nodes of a cluster are containers of one machine,
	// they share its tracefs.
	instancePrefix = "inquest-agent-"
	// bufferKiB is the size of the buffer of each processor: more than a thousand records.
	bufferKiB = 64
)

// startedBy are the names that a process takes in a container, and has until the runtime executes there what it is for: what is
// process 1 of it, or was executed in it, had one of these (opencontainers/runc libcontainer/nsenter, containers/crun,
// containers/youki).
var startedBy = []string{"runc:[2:INIT]", "crun", "youki:[2:INIT]"}

// brief are programs that send signals and are gone at once: a runtime's, which act through threads, and those of a shell.
var brief, ofRuntime = []string{"runc", "crun", "youki", "kill", "pkill", "killall"}, []string{"runc", "crun", "youki"}

// engines are the runtimes' programs that live on and start those.
var engines = []string{"containerd-shim", "conmon", "crio", "dockerd"}

// anyOf is a filter for a field that has one of the values.
func anyOf(field string, values []string) string {
	return "(" + field + `=="` + strings.Join(values, `"||`+field+`=="`) + `")`
}

// filters are the events that are traced, and which records of them. Nothing else is.
var filters = map[string]string{
	"signal/signal_generate": "sig==9||sig==15",
	"oom/mark_victim":        "",
	"task/task_rename":       anyOf("oldcomm", startedBy) + "||" + anyOf("newcomm", slices.Concat(startedBy, brief, engines)),
	"task/task_newtask":      anyOf("comm", engines) + "||((clone_flags&65536)&&" + anyOf("comm", ofRuntime) + ")", // CLONE_THREAD
}

// An instance is a trace of our own in tracefs.
type instance struct {
	fs     *os.Root // tracefs
	name   string
	clock  int32 // of the records
	pages  paging
	files  []*os.File // trace_pipe_raw of each processor
	signal form
	victim form // no id: this kernel has no such event
	rename form
	thread form
	made   bool
	stale  int64 // records that an agent which was killed had not read
}

// tracefsMagic is TRACEFS_MAGIC of include/uapi/linux/magic.h.
const tracefsMagic = 0x74726163

// openInstance makes the instance, and takes away one that was left behind.
func openInstance(tracefs, node string) (*instance, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(tracefs, &st); err != nil {
		return nil, fmt.Errorf("find out who sends signals: %s: %w: mount the host's /sys/kernel/tracing there", tracefs, err)
	}
	if uint32(st.Type) != tracefsMagic {
		return nil, fmt.Errorf("find out who sends signals: %s is no tracefs: mount the host's /sys/kernel/tracing there, or a tracefs", tracefs)
	}
	root, err := os.OpenRoot(tracefs)
	if err != nil {
		return nil, fmt.Errorf("find out who sends signals: %w: the agent must be root on the node to trace", err)
	}
	i := &instance{fs: root, name: nameFor(node)}
	if err := i.setUp(); err != nil {
		return nil, errors.Join(err, i.close())
	}
	return i, nil
}

// nameFor makes a name of a directory of a node's, which has nothing in it but what names of nodes have.
func nameFor(node string) string {
	const most = 100
	return instancePrefix + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, node[:min(len(node), most)])
}

func (i *instance) in(name string) string { return path.Join("instances", i.name, name) }

func (i *instance) setUp() error {
	if err := i.make(); err != nil {
		return err
	}
	head, err := i.read("events/header_page")
	if err == nil {
		i.pages, err = parsePaging(head)
	}
	if err == nil {
		err = i.forms()
	}
	if err == nil {
		err = i.tune()
	}
	if err == nil {
		err = i.openPipes()
	}
	if err != nil {
		return fmt.Errorf("trace signals: %w", err)
	}
	return nil
}

// make makes the directory of the instance.
func (i *instance) make() error {
	err := i.fs.Mkdir(i.in("."), 0o750)
	if errors.Is(err, fs.ErrExist) {
		i.stale = i.left()
		if err = i.remove(); errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("the trace %s of tracefs is in use: another agent runs on this node", i.name)
		}
		if err == nil {
			err = i.fs.Mkdir(i.in("."), 0o750)
		}
	}
	i.made = err == nil
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("make a trace: %w: this kernel was built without tracing", err)
	case err != nil:
		return fmt.Errorf("make a trace: %w: tracefs must be mounted writable, and the kernel not locked down", err)
	}
	return nil
}

// left counts the records in an instance that nobody reads any more.
func (i *instance) left() (n int64) {
	for _, cpu := range i.cpus() {
		stats, err := i.read(i.in("per_cpu/" + cpu + "/stats"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(stats) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if count, err := strconv.ParseInt(value, 10, 64); err == nil && (key == "entries" || key == "overrun") {
				n += count
			}
		}
	}
	return n
}

func (i *instance) cpus() []string {
	dir, err := i.fs.Open(i.in("per_cpu"))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return names
}

// forms reads how records are laid out.
func (i *instance) forms() (err error) {
	if i.signal, err = i.form("signal/signal_generate", "sig", "code", "pid"); err != nil {
		return fmt.Errorf("event signal_generate: %w", err)
	}
	for name, f := range i.optional() {
		if *f, err = i.form(name, "pid"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("event %s: %w", name, err)
		}
	}
	return nil
}

// optional are the events that a kernel need not have.
func (i *instance) optional() map[string]*form {
	return map[string]*form{"oom/mark_victim": &i.victim, "task/task_rename": &i.rename, "task/task_newtask": &i.thread}
}

func (i *instance) form(event string, need ...string) (form, error) {
	text, err := i.read("events/" + event + "/format")
	if err != nil {
		return form{}, err
	}
	return parseForm(text, need...)
}

// tune sets the clock and the size, and starts the events once their filters are set.
func (i *instance) tune() error {
	i.clock = unix.CLOCK_BOOTTIME
	if err := i.write("trace_clock", "boot"); err != nil {
		i.clock = unix.CLOCK_MONOTONIC
		if err := i.write("trace_clock", "mono"); err != nil {
			return err
		}
	}
	if err := i.write("buffer_size_kb", strconv.Itoa(bufferKiB)); err != nil {
		return err
	}
	// A reader is woken by the first record and not by half a buffer of them. Kernels before 5.0 have no such setting.
	if err := i.write("buffer_percent", "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// start begins to trace.
func (i *instance) start() error {
	for event, filter := range filters {
		if f := i.optional()[event]; f != nil && f.id == 0 {
			continue
		}
		var err error
		if filter != "" {
			err = i.write("events/"+event+"/filter", filter)
		}
		if err == nil {
			err = i.write("events/"+event+"/enable", "1")
		}
		if err != nil {
			return fmt.Errorf("trace %s: %w", event, err)
		}
	}
	return nil
}

func (i *instance) openPipes() error {
	for _, cpu := range i.cpus() {
		f, err := i.fs.OpenFile(i.in("per_cpu/"+cpu+"/trace_pipe_raw"), os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil { // a processor that is not there
			continue
		}
		i.files = append(i.files, f)
	}
	if len(i.files) == 0 {
		return errors.New("no processor's buffer can be read")
	}
	return nil
}

// mark writes a record in the name of this thread and returns the pid that the trace has for it, and the number that proc has.
func (i *instance) mark(p *proc) (traced, seen int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := i.write("trace_marker", "inquest"); err != nil {
		return 0, 0, err
	}
	page := make([]byte, i.pages.data.at+i.pages.data.size)
	for _, f := range i.files {
		conn, err := f.SyscallConn()
		if err != nil {
			return 0, 0, err
		}
		n := 0
		_ = conn.Read(func(fd uintptr) bool {
			n, _ = unix.Read(int(fd), page)
			return true
		})
		i.pages.each(page[:max(n, 0)], func(_ uint64, data []byte) { traced = i.signal.fields["common_pid"].int(data) })
		if traced != 0 {
			return traced, p.self(), nil
		}
	}
	return 0, 0, errors.New("the kernel traces nothing")
}

// close ends the trace and takes the instance away.
func (i *instance) close() error {
	for _, f := range i.files {
		f.Close()
	}
	defer i.fs.Close()
	if !i.made {
		return nil
	}
	if err := i.remove(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the trace of signals: %w", err)
	}
	return nil
}

// remove takes the instance away. It cannot be while a file of it is open, which may be because somebody looks at it.
func (i *instance) remove() (err error) {
	for range 20 {
		if err = i.fs.Remove(i.in(".")); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// read reads a file of the instance, or of tracefs.
func (i *instance) read(name string) (string, error) {
	f, err := i.fs.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = i.fs.Open(i.in(name))
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return string(b), err
}

func (i *instance) write(name, value string) error {
	f, err := i.fs.OpenFile(i.in(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// command returns the name that the kernel remembers of a process that was traced lately: "" for none. Names may hold
// anything, lines as well, so this one only says how a process called itself.
func (i *instance) command(pid int) string {
	text, err := i.read("saved_cmdlines")
	if err != nil {
		return ""
	}
	prefix := []byte(strconv.Itoa(pid) + " ")
	for line := range bytes.Lines([]byte(text)) {
		if name, ok := bytes.CutPrefix(line, prefix); ok {
			return printable(strings.TrimSuffix(string(name), "\n"))
		}
	}
	return ""
}
