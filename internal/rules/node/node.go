// SPDX-License-Identifier: Apache-2.0

// Package node holds the rules about nodes that fail their pods: those that do not report, those that restarted, and
// those whose kubelet, runtime, disk or network is in trouble.
package node

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NotReady,
	Restarted,
	PLEG,
	RuntimeDown,
	Sandboxes,
	StartLoop,
	KubeletFailed,
	Problem,
	Pressure,
	CollectorFailed,
	Certificate,
	NetworkUnready,
	CgroupDriver,
	Allocatable,
	ImageStore,
	Devices,
	SlowDisk,
	Clock,
	LeaseLate,
	ProxyDown,
	RuntimeAway,
	SandboxesEnded,
	Watched,
}
