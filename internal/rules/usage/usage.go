// SPDX-License-Identifier: Apache-2.0

// Package usage holds the rules about what pods and nodes use now, as the metrics API and the kubelet tell, and
// what the runs of containers used in their last minutes, as the node's agent does.
package usage

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NearMemoryLimit,
	AtCPULimit,
	NodeBusy,
	MemoryStall,
	DiskStall,
}
