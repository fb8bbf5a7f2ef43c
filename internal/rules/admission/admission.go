// SPDX-License-Identifier: Apache-2.0

// Package admission holds the rules about pods that are not let in: by the API server, so that there is no pod to look at
// and the controller that wants it has to tell, or by the kubelet of the node that a scheduler chose.
package admission

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	QuotaExceeded,
	QuotaUnspecified,
	OutOfRange,
	InsecurePod,
	AccountMissing,
	PriorityMissing,
	RuntimeMissing,
	WebhookFailed,
	Denied,
	Terminating,
	InvalidPod,
	Refused,
	NotCreated,
	OutOfRoom,
	NodeChanged,
	PortHeld,
	DeviceRefused,
	NotAligned,
	WrongSystem,
	SysctlForbidden,
}
