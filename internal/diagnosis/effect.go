// SPDX-License-Identifier: Apache-2.0

package diagnosis

import "slices"

// An Effect is a kind of thing that happens. Rules are linked by effects and never by name, so that a new rule joins
// the causal graph without any other rule being edited.
type Effect string

// The vocabulary: what happens around a pod, what orders it to end, how it ends, and the states that remain. Keep it about
// this small: an effect is worth a word when two rules meet at it.
const (
	RolledOut        Effect = "rolled out"
	ConfigChanged    Effect = "configuration changed"
	ControlPlaneSlow Effect = "control plane slow"
	LeaseLost        Effect = "lease lost"
	NodeRestarted    Effect = "node restarted"
	NodeLost         Effect = "node lost"     // not ready: its kubelet does not report
	NodeDrained      Effect = "node drained"  // closed, and its pods are evicted
	KernelFailed     Effect = "kernel failed" // lockup, oops, hung task, broken file system
	DeviceFailed     Effect = "device failed"
	NodeSaturated    Effect = "node saturated"
	NodeBusy         Effect = "node busy" // its processors are in use now, which by itself explains no end
	NodePressure     Effect = "node pressure"
	RuntimeFailed    Effect = "runtime failed"
	NameUnresolved   Effect = "name unresolved"
	NetworkFailed    Effect = "network failed"
	CertExpired      Effect = "certificate expired"
	DependencyDown   Effect = "dependency down"
	StorageFull      Effect = "storage full"
	Throttled        Effect = "throttled"
	MemoryMisfit     Effect = "memory does not fit" // what a program is set up to take is more than its limit
	Hung             Effect = "process hung"
	NotAdmitted      Effect = "not admitted"
	NotScheduled     Effect = "not scheduled"
	VolumeFailed     Effect = "volume failed"
	SandboxFailed    Effect = "sandbox failed"
	ConfigMissing    Effect = "configuration missing"
	ImageUnavailable Effect = "image unavailable"
	Evicted          Effect = "evicted"
	PodDeleted       Effect = "pod deleted"
	DeadlinePassed   Effect = "deadline passed"
	RestartIntended  Effect = "restart intended"
	HookFailed       Effect = "hook failed"
	StartupFailed    Effect = "startup probe failed"
	LivenessFailed   Effect = "liveness probe failed"
	OutOfMemory      Effect = "out of memory"
	NotStarted       Effect = "not started"       // created, but its process could not be run
	ProcessFailed    Effect = "process failed"    // ended by its own doing, with an error
	ProcessCompleted Effect = "process completed" // ended by its own doing, without one
	Terminated       Effect = "terminated"        // by SIGTERM, which it honoured
	Killed           Effect = "killed"            // by SIGKILL, or in any way it could not answer
	EndLost          Effect = "end lost"          // nobody saw how it ended
	NotReady         Effect = "not ready"
	InitBlocked      Effect = "init blocked" // main containers wait for an init container
	StuckTerminating Effect = "stuck terminating"
	Unavailable      Effect = "workload unavailable" // it has fewer pods, or fewer good ones, than it wants
)

// effects are all of them, in the order in which things tend to follow from each other: it decides between findings of the same second.
var effects = []Effect{
	RolledOut, ConfigChanged, ControlPlaneSlow, LeaseLost, NodeRestarted, NodeDrained, KernelFailed, DeviceFailed, NodeSaturated, NodeBusy, NodePressure, RuntimeFailed, NetworkFailed, NodeLost,
	NameUnresolved, CertExpired, DependencyDown, StorageFull, Throttled, MemoryMisfit, Hung, NotAdmitted, NotScheduled, VolumeFailed, SandboxFailed, ConfigMissing,
	ImageUnavailable, Evicted, PodDeleted, DeadlinePassed, RestartIntended, HookFailed, StartupFailed, LivenessFailed, OutOfMemory, NotStarted, ProcessFailed, ProcessCompleted,
	Terminated, Killed, EndLost, NotReady, InitBlocked, StuckTerminating, Unavailable,
}

func known(e Effect) bool { return slices.Contains(effects, e) }
