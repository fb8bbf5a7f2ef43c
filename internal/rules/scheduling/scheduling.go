// SPDX-License-Identifier: Apache-2.0

// Package scheduling holds the rules about pods that no node takes: for want of room, for a taint, for a label, for other
// pods, for a volume, or because no scheduler looks at them.
package scheduling

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	TooLarge,
	Untolerated,
	NoMatch,
	DeviceLacking,
	PodLimit,
	VolumeLimit,
	Cordoned,
	PodAffinity,
	Spread,
	PortTaken,
	VolumeElsewhere,
	ClaimUnbound,
	Gated,
	NoScheduler,
	NoScaleUp,
	NoNode,
	Unplaced,
	DeviceClaim,
}
