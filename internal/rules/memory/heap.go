// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A heap is what a runtime with a heap of its own is told about it.
type heap struct {
	runtime string // "JVM" or "Node.js"
	setting string // "-Xmx512m"
	bytes   int64  // the most that the heap may be
}

var (
	xmx        = regexp.MustCompile(`-Xmx(\d+)([kKmMgGtT]?)\b`)
	ramPercent = regexp.MustCompile(`-XX:MaxRAMPercentage=(\d+(?:\.\d+)?)`)
	oldSpace   = regexp.MustCompile(`--max[-_]old[-_]space[-_]size[= ](\d+)`)
)

// heapOf reads the greatest size of the heap from what a container passes to its program, for a given memory limit. The
// last setting counts, as it does for the JVM. It is false where nothing sets it.
func heapOf(c *corev1.Container, limit int64) (heap, bool) {
	line := commandLine(c)
	if m := xmx.FindAllStringSubmatch(line, -1); m != nil {
		last := m[len(m)-1]
		n, err := strconv.ParseInt(last[1], 10, 64)
		shift := map[string]uint{"k": 10, "m": 20, "g": 30, "t": 40}[strings.ToLower(last[2])]
		if err == nil && n < 1<<20 {
			return heap{"JVM", last[0], n << shift}, true
		}
	}
	if m := ramPercent.FindStringSubmatch(line); m != nil {
		if share, err := strconv.ParseFloat(m[1], 64); err == nil {
			return heap{"JVM", m[0], int64(share / 100 * float64(limit))}, true
		}
	}
	if m := oldSpace.FindStringSubmatch(line); m != nil {
		if n, err := strconv.ParseInt(m[1], 10, 64); err == nil && n < 1<<30 {
			return heap{"Node.js", m[0], n << 20}, true
		}
	}
	return heap{}, false
}

// cite makes a fact of where the container's spec has the setting: in an element of its command line, in the value of a
// variable, or in two elements. The last place counts, as for the size.
func (h *heap) cite(p *diagnosis.Pass, c *corev1.Container) evidence.Fact {
	for _, v := range slices.Backward(c.Env) {
		if strings.Contains(v.Value, h.setting) {
			fact := p.CiteSpec("env["+v.Name+"]", "")
			fact.Text = "name " + v.Name + ", value " + v.Value
			return fact
		}
	}
	if list := strings.Join(c.Args, " "); strings.Contains(list, h.setting) {
		return citeElement(p, "args", c.Args, h.setting)
	}
	return citeElement(p, "command", c.Command, h.setting)
}

// citeElement cites the last element of a list that has the setting; the whole list where none has it alone.
func citeElement(p *diagnosis.Pass, name string, list []string, setting string) evidence.Fact {
	for i, part := range slices.Backward(list) {
		if strings.Contains(part, setting) {
			return p.CiteSpec(fmt.Sprintf("%s[%d]", name, i), part)
		}
	}
	return p.CiteSpec(name, strings.Join(list, " "))
}
