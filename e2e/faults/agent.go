// SPDX-License-Identifier: Apache-2.0

package faults

// A Sight is a fault with what a diagnosis must find of it where the nodes have agents: the kernel's and the runtime's word makes
// certain what the API alone cannot prove.
type Sight struct {
	Fault string   // its name
	Want  []string // rule ids, any of which must be the first cause, and certain; empty: there must be none
	Says  string   // what its words, or those of what follows from it, or its facts must match
}

// byRuntime is what a trace says of a signal by which the runtime carried out an order of the kubelet.
const byRuntime = ` .*\n(.*\n)*kernel SIG(TERM|KILL) from pid \d+ \(.*\).* of the runtime`

// Sights returns what agents add.
func Sights() []Sight {
	return []Sight{
		{"host-kill", []string{"EXT007"}, `SIGKILL from pid \d+ \(sh\) of the node`},
		{"stranger-term", []string{"EXT007"}, `SIGTERM from pid \d+ \(sh\) of the node`},
		{"neighbour-kill", []string{"EXT007"}, `SIGKILL from pid \d+ \(sh\) of pod .*/cleaner`},
		{"sibling-kill", []string{"EXT007"}, `SIGKILL from pid \d+ \(sh\) of container sidecar of the same pod`},
		{"own-code-kill", []string{"EXT025"}, `returned exit code 137`},
		{"own-code-term", []string{"EXT025"}, `returned exit code 143`},
		{"oom-limit", []string{"MEM001"}, `kernel oom-kill: constraint=CONSTRAINT_MEMCG`},
		{"oom-child-exit", []string{"MEM002"}, `kernel oom-kill: `},
		{"oom-child-zero", []string{"MEM004"}, `kernel oom-kill: `},
		{"liveness-grace", []string{"PRB001"}, `EXT005 .*\n(.*\n)*kernel SIGKILL from pid \d+ \(.*\).* of the runtime`},
		{"liveness-term", []string{"PRB001"}, `EXT006 .*\n(.*\n)*kernel SIGTERM from pid \d+ \(.*\).* of the runtime`},
		{"startup-slow", []string{"PRB002"}, `EXT006 .*\n(.*\n)*kernel SIGTERM from pid \d+ \(.*\).* of the runtime`},
		{"deletion-grace", []string{"DEL001"}, `EXT0(05|26) .*\n(.*\n)*kernel SIGKILL from pid \d+ \(.*\).* of the runtime`},
		{"prestop-slow", []string{"DEL001"}, `EXT0(06|26)` + byRuntime},
		{"preempted", []string{"EVC004"}, `EXT0(06|26)` + byRuntime},
		{"api-eviction", []string{"EVC003"}, `EXT0(06|26)` + byRuntime},
		{"pod-deadline", []string{"WRK013"}, `EXT0(05|06|26)` + byRuntime},
		{"ephemeral-limit", []string{"EVC002"}, `EXT0(05|06|26)` + byRuntime},
		{"child-killed", []string{"EXT022"}, `kernel SIGKILL from (itself|pid \d+ \(.*\) of the same container) to pid \d+`},
		{"shim-killed", []string{"SBX008", "EXT026", "EXT008"}, ``},
		{"runtime-restart", nil, ``},
		{"innocent-victim", []string{"MEM008", "MEM010"}, `MEM008 .*not because of its own(.*\n)*kernel oom-kill: constraint=CONSTRAINT_MEMCG`},
		{"power-cut", []string{"NOD002", "EXT008"}, `NOD002`},
	}
}
