// SPDX-License-Identifier: Apache-2.0

// Package sandbox holds the rules about what every container of a pod lives in: the sandbox with its network. It cannot
// be made, because of the network plugin, its addresses, the pause image or the runtime; it is replaced while the pod
// runs; or it cannot be taken down.
package sandbox

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	AddressesExhausted,
	NetworkNotReady,
	PluginMissing,
	PluginUnauthorized,
	NotInTime,
	PauseImage,
	PluginVersion,
	Changed,
	KillFailed,
	HostPortTaken,
	HandlerUnknown,
	PluginDown,
	NotMade,
}
