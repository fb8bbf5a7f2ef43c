// SPDX-License-Identifier: Apache-2.0

package diagnosis

import "slices"

// An Effect is a kind of thing that happens. Rules are linked by effects and never by name, so that a new rule joins
// the causal graph without any other rule being edited.
type Effect string

// The vocabulary. Keep it about this small: an effect is worth a word when two rules meet at it.
const (
	ProcessFailed    Effect = "process failed"    // ended by its own doing, with an error
	ProcessCompleted Effect = "process completed" // ended by its own doing, without one
	OutOfMemory      Effect = "out of memory"
	Killed           Effect = "killed"      // by SIGKILL, or in any way it could not answer
	Terminated       Effect = "terminated"  // by SIGTERM, which it honoured
	NotStarted       Effect = "not started" // created, but its process could not be run
	EndLost          Effect = "end lost"    // nobody saw how it ended
	LivenessFailed   Effect = "liveness probe failed"
	StartupFailed    Effect = "startup probe failed"
	NotReady         Effect = "not ready"
	HookFailed       Effect = "hook failed"
	InitBlocked      Effect = "init blocked" // main containers wait for an init container
	ImageUnavailable Effect = "image unavailable"
	ConfigMissing    Effect = "configuration missing"
	ConfigChanged    Effect = "configuration changed"
	RolledOut        Effect = "rolled out"
	NotScheduled     Effect = "not scheduled"
	NotAdmitted      Effect = "not admitted"
	VolumeFailed     Effect = "volume failed"
	SandboxFailed    Effect = "sandbox failed"
	NetworkFailed    Effect = "network failed"
	NameUnresolved   Effect = "name unresolved"
	DependencyDown   Effect = "dependency down"
	Throttled        Effect = "throttled"
	StorageFull      Effect = "storage full"
	Evicted          Effect = "evicted"
	PodDeleted       Effect = "pod deleted"
	StuckTerminating Effect = "stuck terminating"
	NodePressure     Effect = "node pressure"
	NodeLost         Effect = "node lost" // not ready: its kubelet does not report
	NodeRestarted    Effect = "node restarted"
	RuntimeFailed    Effect = "runtime failed"
	ControlPlaneSlow Effect = "control plane slow"
	LeaseLost        Effect = "lease lost"
)

var effects = []Effect{
	ProcessFailed, ProcessCompleted, OutOfMemory, Killed, Terminated, NotStarted, EndLost, LivenessFailed, StartupFailed,
	NotReady, HookFailed, InitBlocked, ImageUnavailable, ConfigMissing, ConfigChanged, RolledOut, NotScheduled,
	NotAdmitted, VolumeFailed, SandboxFailed, NetworkFailed, NameUnresolved, DependencyDown, Throttled, StorageFull,
	Evicted, PodDeleted, StuckTerminating, NodePressure, NodeLost, NodeRestarted, RuntimeFailed, ControlPlaneSlow,
	LeaseLost,
}

func known(e Effect) bool { return slices.Contains(effects, e) }
