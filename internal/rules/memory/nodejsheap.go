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

// NodeJSHeap recognises a Node.js program whose heap was full.
var NodeJSHeap = &diagnosis.Rule{
	ID:    "MEM012",
	Title: "Node.js ran out of heap",
	Doc: `
V8, the engine of Node.js, limits its heap by itself: to what --max-old-space-size says, else to a share of the memory that it
sees, at most about 4 GiB. At that limit it prints "JavaScript heap out of memory" and aborts: SIGABRT, exit code 134.

**How it is told from its look-alikes.** Exit code 134 is also any other abort, of the C library or an assertion: the words tell. The
container is not marked OOMKilled, because the kernel has no part in it, and its memory limit may be far. A Node.js
program that the kernel kills at the container's limit prints nothing.

**What to do.** Set --max-old-space-size (NODE_OPTIONS) to about three quarters of the container's limit, and raise both if the need is
real; a heap that fills up again has a leak.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		lines := strings.Split(strings.TrimRight(p.Log().Text, "\n"), "\n")
		said := ""
		for _, line := range lines[max(0, len(lines)-lastLines):] {
			if heapFull.MatchString(line) {
				said = line
			}
		}
		if _, ordered := p.Order(); ordered || said == "" || slices.Contains(notOwn, a.ExitCode) {
			return
		}
		at, text := signature.Parse(said)
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Likely, Facts: []evidence.Fact{a.Fact(), a.LineFact(text, at)},
			Message: fmt.Sprintf("Node.js in container %s ran out of heap and ended with exit code %d", a.Of.Container, a.ExitCode),
			Fixes:   []diagnosis.Fix{{Title: "Set --max-old-space-size in NODE_OPTIONS to about three quarters of the memory limit, and look for a leak if it fills up again", Risk: diagnosis.Restart}},
		}
		limit := specOf(p).Resources.Limits.Memory()
		if h, ok := heapOf(specOf(p), limit.Value()); ok {
			f.Message += ", set by " + h.setting
			f.Facts = append(f.Facts, h.cite(p))
		}
		if !limit.IsZero() {
			f.Facts = append(f.Facts, p.CiteSpec("resources.limits.memory", limit))
		}
		p.Report(f)
	},
}

// heapFull are the words of V8 (src/heap, FatalProcessOutOfMemory).
var heapFull = regex.New(`JavaScript heap out of memory|Reached heap limit Allocation failed`)
