// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A heap is what a runtime with a heap of its own is told about it.
type heap struct {
	runtime string // "JVM" or "Node.js"
	setting string // "-Xmx512m"
	bytes   int64  // the most that the heap may be
}

var (
	xmx        = regex.New(`-Xmx(\d+)([kKmMgGtT]?)\b`)
	ramPercent = regex.New(`-XX:MaxRAMPercentage=(\d+(?:\.\d+)?)`)
	oldSpace   = regex.New(`--max[-_]old[-_]space[-_]size[= ](\d+)`)
)

// units are what the letter behind a size means to the JVM.
var units = map[string]float64{"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}

// heapOf reads the greatest size of the heap from what a container passes to its program, for a given memory limit. The
// last setting counts, as it does for the JVM. It is false where nothing sets it.
func heapOf(c *corev1.Container, limit int64) (heap, bool) {
	line := commandLine(c)
	if m := last(xmx, line); m != nil {
		return heap{"JVM", m[0], size(m[1], units[strings.ToLower(m[2])])}, true
	}
	if m := last(ramPercent, line); m != nil {
		return heap{"JVM", m[0], size(m[1], float64(limit)/100)}, true
	}
	if m := last(oldSpace, line); m != nil {
		return heap{"Node.js", m[0], size(m[1], 1<<20)}, true
	}
	return heap{}, false
}

// last returns the last match of a pattern with its groups, nil without one.
func last(pattern *regex.Expr, line string) []string {
	all := append([][]string{nil}, pattern.FindAllStringSubmatch(line, -1)...)
	return all[len(all)-1]
}

// size reads a number of units in bytes; what is beyond all memory is cut.
func size(digits string, unit float64) int64 {
	n, _ := strconv.ParseFloat(digits, 64) // which a pattern has found to be digits
	return int64(min(n*unit, 1<<60))
}

// cite makes a fact of where the container's spec has the setting: in the value of a variable or in an element of its
// command line, of which it may take two. The last place counts, as for the size.
func (h *heap) cite(p *diagnosis.Pass) evidence.Fact {
	word, _, _ := strings.Cut(h.setting, " ")
	with := slices.DeleteFunc(places(specOf(p)), func(at place) bool { return !strings.Contains(at.value, word) })
	at := with[len(with)-1]
	fact := p.CiteSpec(at.path, "")
	fact.Text = at.says
	return fact
}

// A place is a part of a container's spec that its program gets to see.
type place struct{ path, value, says string }

// places returns them in the order in which a later one counts before an earlier: JAVA_TOOL_OPTIONS, NODE_OPTIONS and what a
// shell puts into a command line come before what is written there.
func places(c *corev1.Container) []place {
	var all []place
	for _, v := range c.Env {
		all = append(all, place{"env[" + v.Name + "]", v.Value, "name " + v.Name + ", value " + v.Value})
	}
	for i, part := range c.Command {
		path := fmt.Sprintf("command[%d]", i)
		all = append(all, place{path, part, path + " " + part})
	}
	for i, part := range c.Args {
		path := fmt.Sprintf("args[%d]", i)
		all = append(all, place{path, part, path + " " + part})
	}
	return all
}

// commandLine returns everything that a container's spec passes to its program.
func commandLine(c *corev1.Container) string {
	var values []string
	for _, at := range places(c) {
		values = append(values, at.value)
	}
	return strings.Join(values, " ")
}
