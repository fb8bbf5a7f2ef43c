// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
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

var (
	javaHeap  = regex.New(`-Xmx(\d+)([kKmMgGtT]?)\b`)
	javaShare = regex.New(`-XX:MaxRAMPercentage=(\d+(?:\.\d+)?)`)
	nodeHeap  = regex.New(`--max[-_]old[-_]space[-_]size[= ](\d+)`)
	nodeShare = regex.New(`--max[-_]old[-_]space[-_]size[-_]percentage[= ]\d`)
)

const (
	most      = 0.8  // the share of a limit that a heap may have: the rest is for what the runtime needs beside it
	heapShare = 0.75 // and that it is to have
	goShare   = 0.9  // that Go is told of: the Go GC guide has 5 to 10 % left for what Go does not count
)

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

// runtime is what the container runs by, as its own spec says or else what is known beside it; a process that was seen goes before a line of
// a shell, which may start others first.
func (o *Subject) runtime() Runtime {
	r := ofSpec(o.told())
	_, shell := program(append(slices.Clone(o.Spec.Command), o.Spec.Args...), false)
	if seen := o.Runtime.By == byProcess || o.Runtime.By == byKilled; shell && seen && r.Name != o.Runtime.Name {
		return o.Runtime
	}
	return r.Or(o.Runtime)
}

// runtimes checks what the runtime of a container is told against its limits. What its program sets is not seen, and what its image does by a node's
// agent alone.
func (o *Subject) runtimes(of Amounts) []Check {
	r, limit, c, by := o.runtime(), of.LimitMemory, o.told(), o.silent()
	switch {
	case r.Name == Go:
		return append(goHeap(c, r, limit, by), goThreads(c, r, of.LimitCPU, by)...)
	case limit == 0:
		return nil
	case r.Name == Java:
		return javaLimits(c, r, limit, by)
	case r.Name == Node:
		return nodeLimits(c, r, limit, by)
	}
	return nil
}

// javaLimits checks the heap of a Java virtual machine. HotSpot heeds the limit of cgroup v2 since 8u372, 11.0.16 and 15 (Kubernetes docs,
// concepts/architecture/cgroups).
func javaLimits(c *corev1.Container, r Runtime, limit float64, by silence) []Check {
	given, share := heap(c), javaShare.MatchString(words(c, javaNames...))
	unaware := r.Version != "" && !r.since(15) && !(r.since(11, 0, 16) && !r.since(12)) && !(r.since(8, 372) && !r.since(9))
	fixed := fmt.Sprintf("set -Xmx%dm, three quarters of the limit, or take a later Java", int64(heapShare*limit)>>20)
	switch {
	case given > most*limit:
		return []Check{{"-Xmx", fmt.Sprintf("the heap may have %s of a limit of %s: stacks, code and buffers do not fit beside it", Bytes(given), Bytes(limit)), "give the heap three quarters of the limit, with -XX:MaxRAMPercentage=75 instead"}}
	case given > 0:
		return nil
	case unaware:
		return []Check{{"JAVA_TOOL_OPTIONS", r.named() + " does not heed a limit of cgroup v2, which 8u372, 11.0.16 and 15 do: on such nodes its heap goes by all of their memory", fixed}}
	case !share:
		return []Check{{"JAVA_TOOL_OPTIONS", by.gives + " the heap no size: a Java virtual machine takes a quarter of the limit, and the rest lies idle", by.unless + ", set -XX:MaxRAMPercentage=75"}}
	}
	return nil
}

// nodeLimits checks the heap of Node.js, which heeds the limit of cgroup v2 since 20.3 (Kubernetes docs, concepts/architecture/cgroups) and takes about
// half of it; of a small one as much as all (nodejs/node#64646).
func nodeLimits(c *corev1.Container, r Runtime, limit float64, by silence) []Check {
	given, set := heap(c), fmt.Sprintf("--max-old-space-size=%d", int64(heapShare*limit)>>20)
	if given > most*limit {
		return []Check{{"NODE_OPTIONS", fmt.Sprintf("the heap may have %s of a limit of %s: buffers and code do not fit beside it", Bytes(given), Bytes(limit)), "set " + set}}
	}
	if given > 0 || nodeShare.MatchString(words(c, "NODE_OPTIONS")) {
		return nil
	}
	says := by.gives + " the heap no size: "
	switch {
	case r.Version == "":
		says += "Node.js 20.3 and later takes about half of the limit, and of a small one as much as all; earlier ones go by the memory of the node where that has cgroup v2; which it is is not known"
	case r.since(20, 3):
		says += r.named() + " takes about half of the limit, and of a small one as much as all"
	default:
		says += r.named() + " does not heed a limit of cgroup v2, which 20.3 does: on such nodes its heap goes by all of their memory, and it is killed before it collects"
	}
	return []Check{{"NODE_OPTIONS", says, by.unless + ", set " + set + ", three quarters of the limit"}}
}

// goHeap checks GOMEMLIMIT, which Go knows since 1.19 (runtime/debug, SetMemoryLimit; go.dev/doc/gc-guide).
func goHeap(c *corev1.Container, r Runtime, limit float64, by silence) []Check {
	value, set := variable(c, "GOMEMLIMIT"), fmt.Sprintf("set it to nine tenths of the limit, %dMiB", int64(goShare*limit)>>20)
	q, err := resource.ParseQuantity(strings.TrimSuffix(value, "B"))
	switch {
	case limit == 0:
		return nil
	case r.Version != "" && !r.since(1, 19):
		return []Check{{"GOMEMLIMIT", r.named() + " has none, which 1.19 does: its garbage collector does not know the limit, and lets the heap double", "build it with a later Go"}}
	case !has(c, "GOMEMLIMIT"):
		return []Check{{"GOMEMLIMIT", by.lacks + " set it: the garbage collector does not know the limit, and lets the heap double", by.unless + ", " + set + " (Go GC guide: 5 to 10 % are for what Go does not count)"}}
	case value != "" && err == nil && q.AsApproximateFloat64() > 0.95*limit:
		return []Check{{"GOMEMLIMIT", fmt.Sprintf("%s leaves nothing of the limit of %s for what it does not count", value, Bytes(limit)), set}}
	}
	return nil
}

// goThreads checks GOMAXPROCS: since Go 1.25 the runtime heeds the CPU limit by itself, unless the variable is set or go.mod asks for an earlier Go
// (runtime, GOMAXPROCS; go.dev/blog/container-aware-gomaxprocs).
func goThreads(c *corev1.Container, r Runtime, cpu float64, by silence) []Check {
	value := variable(c, "GOMAXPROCS")
	n, err := strconv.ParseFloat(value, 64)
	fits := int(cpu + 0.999)
	switch {
	case cpu == 0, has(c, "GOMAXPROCS") && (err != nil || n <= cpu+1), !has(c, "GOMAXPROCS") && r.since(1, 25):
		return nil
	case value != "":
		return []Check{{"GOMAXPROCS", fmt.Sprintf("%.0f threads share a limit of %g processors: all of them stand still when it is used up", n, cpu), fmt.Sprintf("set it to %d, or leave it out with Go 1.25 and later", fits)}}
	case r.Version != "":
		return []Check{{"GOMAXPROCS", fmt.Sprintf("%s starts as many threads as its node has processors, and all of them stand still when the limit of %g is used up", r.named(), cpu), fmt.Sprintf("%s, set it to %d, or build it with Go 1.25, which heeds the limit", by.unless, fits)}}
	}
	return []Check{{"GOMAXPROCS", "which Go it was built with is not known: 1.25 and later heeds the CPU limit by itself, earlier ones start as many threads as the node has processors", fmt.Sprintf("with an earlier one, and %s, set it to %d", by.unless, fits)}}
}
