// SPDX-License-Identifier: Apache-2.0

package faults

// A Sight is a fault with what a diagnosis must find of it where the nodes have agents: the kernel's and the runtime's word makes
// certain what the API alone cannot prove.
type Sight struct {
	Fault string   // its name
	Want  []string // rule ids, any of which must be the first cause; empty: there must be none
	Says  string   // what its words, or those of what follows from it, or its facts must match
	Least string   // the least confidence; empty: certain
}

// byRuntime is what a trace says of a signal by which the runtime carried out an order of the kubelet.
const byRuntime = ` .*\n(.*\n)*kernel SIG(TERM|KILL) from pid \d+ \(.*\).* of the runtime`

// Sights returns what agents add.
func Sights() []Sight {
	return []Sight{
		{Fault: "host-kill", Want: []string{"EXT007"}, Says: `SIGKILL from pid \d+ \(sh\) of the node`},
		{Fault: "stranger-term", Want: []string{"EXT007"}, Says: `SIGTERM from pid \d+ \(sh\) of the node`},
		{Fault: "neighbour-kill", Want: []string{"EXT007"}, Says: `SIGKILL from pid \d+ \(sh\) of pod .*/cleaner`},
		{Fault: "sibling-kill", Want: []string{"EXT007"}, Says: `SIGKILL from pid \d+ \(sh\) of container sidecar of the same pod`},
		{Fault: "own-code-kill", Want: []string{"EXT025"}, Says: `returned exit code 137`},
		{Fault: "own-code-term", Want: []string{"EXT025"}, Says: `returned exit code 143`},
		{Fault: "oom-limit", Want: []string{"MEM001"}, Says: `kernel oom-kill: constraint=CONSTRAINT_MEMCG`},
		{Fault: "oom-child-exit", Want: []string{"MEM002"}, Says: `kernel oom-kill: `},
		{Fault: "oom-child-zero", Want: []string{"MEM004"}, Says: `kernel oom-kill: `},
		{Fault: "liveness-grace", Want: []string{"PRB001"}, Says: `EXT005 .*\n(.*\n)*kernel SIGKILL from pid \d+ \(.*\).* of the runtime`},
		{Fault: "liveness-term", Want: []string{"PRB001"}, Says: `EXT006 .*\n(.*\n)*kernel SIGTERM from pid \d+ \(.*\).* of the runtime`},
		{Fault: "startup-slow", Want: []string{"PRB002"}, Says: `EXT006 .*\n(.*\n)*kernel SIGTERM from pid \d+ \(.*\).* of the runtime`},
		{Fault: "deletion-grace", Want: []string{"DEL001"}, Says: `EXT0(05|26) .*\n(.*\n)*kernel SIGKILL from pid \d+ \(.*\).* of the runtime`},
		{Fault: "prestop-slow", Want: []string{"DEL001"}, Says: `EXT0(06|26)` + byRuntime},
		{Fault: "preempted", Want: []string{"EVC004"}, Says: `EXT0(06|26)` + byRuntime},
		{Fault: "api-eviction", Want: []string{"EVC003"}, Says: `EXT0(06|26)` + byRuntime},
		{Fault: "pod-deadline", Want: []string{"WRK013"}, Says: `EXT0(05|06|26)` + byRuntime},
		{Fault: "ephemeral-limit", Want: []string{"EVC002"}, Says: `EXT0(05|06|26)` + byRuntime},
		{Fault: "child-killed", Want: []string{"EXT022"}, Says: `kernel SIGKILL from (itself|pid \d+ \(.*\) of the same container) to pid \d+`},
		{Fault: "shim-killed", Want: []string{"SBX008"}, Least: "likely"}, // nobody traces what is sent to the runtime's own
		{Fault: "runtime-restart"},
		{Fault: "innocent-victim", Want: []string{"MEM008", "MEM010"}, Says: `MEM008 .*not because of its own(.*\n)*kernel oom-kill: constraint=CONSTRAINT_MEMCG`},
		{Fault: "sandbox-killed", Want: []string{"SBX008"}, Says: `runtime sandbox [0-9a-f]{12} of the pod, attempt 0, ended while the pod goes on`},
		{Fault: "kubelet-stopped", Want: []string{"NOD007"}, Says: `kubelet /healthz: .*refused\n(.*\n)*NOD001 `},
		{Fault: "power-cut", Want: []string{"NOD002", "EXT008"}, Says: `NOD002`},
	}
}
