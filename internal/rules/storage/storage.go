// SPDX-License-Identifier: Apache-2.0

// Package storage holds the rules about volumes: claims that get none, volumes that cannot be attached or mounted, and
// those that fail a process which uses them.
package storage

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	ClaimMissing,
	ClassMissing,
	NoClass,
	NoVolume,
	ProvisioningFailed,
	ProvisionerSilent,
	ClaimLost,
	ClaimDeleted,
	OutOfReach,
	MultiAttach,
	DriverMissing,
	AttachFailed,
	ServerUnreachable,
	DeviceBroken,
	PathMissing,
	MapFailed,
	MountFailed,
	MountTimeout,
	SlowOwnership,
	ResizeFailed,
	VolumeFull,
	NotWritable,
	PermissionDenied,
}
