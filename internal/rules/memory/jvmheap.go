// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// JVMMemory recognises a JVM that ended because a memory area of its own was full.
var JVMMemory = &diagnosis.Rule{
	ID:    "MEM011",
	Title: "JVM ran out of a memory area of its own",
	Doc: `
The JVM keeps its memory in areas with limits of their own: the heap (-Xmx), Metaspace, buffers outside the heap. One was
full, and the JVM threw an OutOfMemoryError. With -XX:+ExitOnOutOfMemoryError it ends with exit code 3 then, with
CrashOnOutOfMemoryError by an abort, and otherwise the program ends if nothing catches the error.

**How it is told from its look-alikes.** The kernel has no part in it: the container is not marked OOMKilled, and its memory limit may be
far. The words after OutOfMemoryError say which area it was; "unable to create native thread" is about threads and not about
memory, and has its own rule. A JVM that the kernel kills at the container's limit prints nothing.

**What to do.** Raise the area that is named, and the container's limit with it, since all areas and the stacks of threads must fit into
that. A heap that fills up again however large it is has a leak: take a heap dump (-XX:+HeapDumpOnOutOfMemoryError).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		said, at := complaintIn(p.Log().Text)
		if _, ordered := p.Order(); ordered || said == "" || slices.Contains(notOwn, a.ExitCode) || a.Reason == "OOMKilled" {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Likely, Facts: []evidence.Fact{a.Fact(), said.fact(a, at)},
			Message: fmt.Sprintf("the JVM in container %s ran out of %s and ended with exit code %d", a.Of.Container, said.area().name, a.ExitCode),
			Fixes:   []diagnosis.Fix{{Title: said.area().remedy, Risk: diagnosis.Restart}},
		}
		if h, ok := heapOf(specOf(p), specOf(p).Resources.Limits.Memory().Value()); ok {
			f.Message += ", set by " + h.setting
			f.Facts = append(f.Facts, h.cite(p))
		}
		p.Report(f)
	},
}

// notOwn are the exit codes that no runtime ends with because its memory is full: of success, SIGKILL and SIGTERM.
var notOwn = []int{0, 137, 143}

// A complaint is the JVM's line about a full memory area.
type complaint string

var jvmFull = regex.New(`(?i)OutOfMemoryError: ?(?:Java heap space|GC overhead limit exceeded|Requested array size|Metaspace|Compressed class space|PermGen|Direct buffer memory|Cannot reserve \d+ bytes of direct buffer)|insufficient memory for the Java Runtime Environment`)

// complaintIn finds the last line of a log's end in which a JVM says that a memory area is full.
func complaintIn(log string) (complaint, string) {
	lines := strings.Split(strings.TrimRight(log, "\n"), "\n")
	lines = lines[max(0, len(lines)-lastLines):]
	var found complaint
	raw := ""
	for _, line := range lines {
		if jvmFull.MatchString(line) {
			_, text := signature.Parse(line)
			found, raw = complaint(text), line
		}
	}
	return found, raw
}

// lastLines is how many lines at the end of a log can tell of its end: an error with a deep stack trace has about as many.
const lastLines = 120

func (c complaint) fact(a evidence.Attempt, raw string) evidence.Fact {
	at, _ := signature.Parse(raw)
	return a.LineFact(string(c), at)
}

// An area is a memory area of the JVM.
type area struct {
	says         *regex.Expr
	name, remedy string
}

// areas are known by the JVM's words; the last one is meant by all others.
var areas = []area{
	{regex.New(`(?i)metaspace|class space|permgen`), "Metaspace, where classes are kept",
		"Raise -XX:MaxMetaspaceSize and the container's limit with it, and look for class loaders that are kept"},
	{regex.New(`(?i)direct buffer`), "direct buffers, which are outside the heap",
		"Raise -XX:MaxDirectMemorySize and the container's limit with it, and look for buffers that are never released"},
	{regex.New(`(?i)insufficient memory`), "memory that the kernel would give it",
		"Lower -Xms and -Xmx, or raise the container's memory limit: the JVM asks for more than it can have at its start"},
	{regex.New(``), "heap", "Raise -Xmx (or MaxRAMPercentage) and the container's limit with it; take a heap dump if it fills up again"},
}

// area returns the one that the line is about.
func (c complaint) area() area {
	return areas[slices.IndexFunc(areas, func(a area) bool { return a.says.MatchString(string(c)) })]
}
