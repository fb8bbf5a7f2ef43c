// SPDX-License-Identifier: Apache-2.0

// Package eviction holds the rules about pods that the kubelet throws out: because the node ran low, or because the pod
// took more local storage than it may. An evicted pod is not restarted; its controller makes another one.
package eviction

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NodePressure,
	StorageLimit,
}
