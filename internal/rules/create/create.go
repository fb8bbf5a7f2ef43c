// SPDX-License-Identifier: Apache-2.0

// Package create holds the rules about containers that have their image and their configuration and are still not made
// or not started: the runtime does not answer in time, or it refuses a mount, a security profile, a device, a cgroup.
package create

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	CreateTimeout,
	Refused,
	CommandMissing,
	MountType,
	MountFailed,
	SecurityProfile,
	Capability,
	Sysctl,
	Cgroup,
	AlreadyDead,
	KillFailed,
	RecursiveReadOnly,
	Device,
	NoRoom,
	Identity,
	PermissionDropped,
}
