// SPDX-License-Identifier: Apache-2.0

// Package memory holds the rules about memory: who ran out of it, at which limit, and who only paid for it. Of an end the
// class, which deathOf finds in one place, says which rule speaks about the kill; rules about settings that do not fit the
// limit say why it came to it, and come before.
package memory

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	OOMKilled,
	ChildOOMKilled,
	ChildLost,
	EndedWell,
	FalseLabel,
	BelowInit,
	PodLimit,
	InnocentVictim,
	Machine,
	NodeOutOfMemory,
	JVMMemory,
	NodeJSHeap,
	HeapMisfit,
	MemoryVolume,
	LimitByDefault,
	UnknownPod,
}

// Manifests are the rules of this family about what is written before anything has run, in order of id.
var Manifests = []*diagnosis.Rule{
	HeapTooLarge,
	VolumeInMemory,
}
