// SPDX-License-Identifier: Apache-2.0

// Package eviction holds the rules about pods that somebody other than their owner ends: the kubelet because the node ran
// low, shuts down or has to take a critical pod, or because the pod took more local storage than it may; the scheduler for
// a pod of higher priority; the taint manager; the garbage collector; and whoever evicts through the API. Such a pod is
// not restarted; its controller makes another one.
package eviction

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NodePressure,
	StorageLimit,
	APIEviction,
	Preempted,
	Tainted,
	NodeShutdown,
	CriticalAdmitted,
	NodeGone,
	NodeToGo,
	BudgetBlocks,
	Drained,
}
