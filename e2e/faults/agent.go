// SPDX-License-Identifier: Apache-2.0

package faults

// A Sight is a fault with what a diagnosis must find of it where the nodes have agents: the kernel's and the runtime's word makes
// certain what the API alone cannot prove.
type Sight struct {
	Fault string   // its name
	Want  []string // rule ids, any of which must be the first cause, and certain
	Says  string   // what its words, or those of what follows from it, or its facts must match
}

// Sights returns what agents add.
func Sights() []Sight {
	return []Sight{
		{"host-kill", []string{"EXT007"}, `SIGKILL from pid \d+ \(sh\) of the node`},
		{"oom-limit", []string{"MEM001"}, `kernel oom-kill: constraint=CONSTRAINT_MEMCG`},
		{"oom-child-exit", []string{"MEM002"}, `kernel oom-kill: `},
		{"oom-child-zero", []string{"MEM004"}, `kernel oom-kill: `},
		{"liveness-grace", []string{"PRB001"}, `EXT005 .*\n(.*\n)*kernel SIGKILL from pid \d+ \(.*\).* of the runtime`},
		{"liveness-term", []string{"PRB001"}, `EXT006 .*\n(.*\n)*kernel SIGTERM from pid \d+ \(.*\).* of the runtime`},
		{"deletion-grace", []string{"DEL001"}, `EXT0(05|26) .*\n(.*\n)*kernel SIGKILL from pid \d+ \(.*\).* of the runtime`},
		{"child-killed", []string{"EXT022"}, `kernel SIGKILL from (itself|pid \d+ \(.*\) of the same container) to pid \d+`},
		{"sandbox-killed", []string{"SBX008"}, `runtime sandbox [0-9a-f]{12} of the pod, attempt 0, ended while the pod goes on`},
		{"kubelet-stopped", []string{"NOD007"}, `kubelet /healthz: .*refused\n(.*\n)*NOD001 `},
		{"runtime-frozen", []string{"NOD004"}, `runtime containerd .* did not answer cri/\w+ within`},
		{"power-cut", []string{"NOD002", "EXT008"}, `NOD002`},
	}
}
