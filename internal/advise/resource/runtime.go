// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A Check is something that is wrong with what is set, whatever was measured.
type Check struct{ Where, Says, Do string }

// words are the command and arguments of a container, and what its variables pass to the runtime.
func words(c *corev1.Container, variables ...string) string {
	list := append(append([]string{}, c.Command...), c.Args...)
	for _, name := range variables {
		list = append(list, variable(c, name))
	}
	return strings.Join(list, " ")
}

func variable(c *corev1.Container, name string) string {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

func has(c *corev1.Container, names ...string) bool {
	for _, v := range c.Env {
		if slices.Contains(names, v.Name) {
			return true
		}
	}
	return false
}

func runs(c *corev1.Container, program string) bool {
	for word := range strings.FieldsSeq(words(c)) {
		if path.Base(word) == program {
			return true
		}
	}
	return false
}

var (
	javaHeap   = regex.New(`-Xmx(\d+)([kKmMgGtT]?)\b`)
	javaShare  = regex.New(`-XX:MaxRAMPercentage=(\d+(?:\.\d+)?)`)
	nodeHeap   = regex.New(`--max[-_]old[-_]space[-_]size[= ](\d+)`)
	javaNames  = []string{"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPTS", "_JAVA_OPTIONS", "JAVA_OPTIONS"}
	goOwnNames = []string{"GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS", "GOTRACEBACK"}
)

// most is the share of a limit that a heap may have: the rest is for what the runtime needs beside it.
const most = 0.8

// heap is the heap that the flags of a runtime give it, in bytes; 0 where none is given.
func heap(c *corev1.Container) float64 {
	if m := javaHeap.FindStringSubmatch(words(c, javaNames...)); m != nil {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0
		}
		return n * map[string]float64{"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[strings.ToLower(m[2])]
	}
	if m := nodeHeap.FindStringSubmatch(words(c, "NODE_OPTIONS")); m != nil {
		if n, err := strconv.ParseFloat(m[1], 64); err == nil {
			return n * (1 << 20)
		}
	}
	return 0
}

// isJava, isNode and isGo recognise a runtime by the command or by variables that only it reads.
func isJava(c *corev1.Container) bool { return runs(c, "java") || has(c, javaNames...) }
func isNode(c *corev1.Container) bool { return runs(c, "node") || has(c, "NODE_OPTIONS") }
func isGo(c *corev1.Container) bool   { return has(c, goOwnNames...) }

// runtimes checks what the runtime of a container is told against its limits.
func runtimes(c *corev1.Container, limit float64) (list []Check) {
	given := heap(c)
	switch {
	case isJava(c) && given > most*limit && limit > 0:
		list = append(list, Check{"-Xmx", fmt.Sprintf("the heap may have %s of a limit of %s: stacks, code and buffers do not fit beside it", Bytes(given), Bytes(limit)), "give the heap three quarters of the limit, with -XX:MaxRAMPercentage=75 instead"})
	case isJava(c) && given == 0 && limit > 0 && !javaShare.MatchString(words(c, javaNames...)):
		list = append(list, Check{"JAVA_TOOL_OPTIONS", "the heap has no size: a Java virtual machine takes a quarter of the limit, and the rest lies idle", "set -XX:MaxRAMPercentage=75"})
	case isNode(c) && given > most*limit && limit > 0:
		list = append(list, Check{"NODE_OPTIONS", fmt.Sprintf("the heap may have %s of a limit of %s: buffers and code do not fit beside it", Bytes(given), Bytes(limit)), fmt.Sprintf("set --max-old-space-size=%d", int64(0.75*limit)>>20)})
	case isGo(c):
		list = append(list, goLimits(c, limit)...)
	}
	return list
}

// goLimits checks GOMEMLIMIT and GOMAXPROCS (Go runtime/debug, SetMemoryLimit; runtime, GOMAXPROCS: since 1.25 the runtime
// heeds the CPU limit itself unless the variable is set).
func goLimits(c *corev1.Container, limit float64) (list []Check) {
	value := variable(c, "GOMEMLIMIT")
	switch q, err := resource.ParseQuantity(strings.TrimSuffix(value, "B")); {
	case limit == 0:
	case !has(c, "GOMEMLIMIT"):
		list = append(list, Check{"GOMEMLIMIT", "it is not set: the garbage collector does not know the limit, and lets the heap double", fmt.Sprintf("set it to nine tenths of the limit, %dMiB", int64(0.9*limit)>>20)})
	case value != "" && err == nil && q.AsApproximateFloat64() > 0.95*limit:
		list = append(list, Check{"GOMEMLIMIT", fmt.Sprintf("%s leaves nothing of the limit of %s for what it does not count", value, Bytes(limit)), fmt.Sprintf("set it to nine tenths of the limit, %dMiB", int64(0.9*limit)>>20)})
	}
	cpu := c.Resources.Limits.Cpu().AsApproximateFloat64()
	if n, err := strconv.ParseFloat(variable(c, "GOMAXPROCS"), 64); err == nil && cpu > 0 && n > cpu+1 {
		list = append(list, Check{"GOMAXPROCS", fmt.Sprintf("%.0f threads share a limit of %g processors: all of them stand still when it is used up", n, cpu), fmt.Sprintf("set it to %d, or leave it out with Go 1.25 and later", int(cpu+0.999))})
	}
	return list
}
