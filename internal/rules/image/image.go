// SPDX-License-Identifier: Apache-2.0

// Package image holds the rules about images that a node cannot get: the tag that does not exist, the registry that
// refuses, is not reached, is not trusted or was asked too often, the name that is none, the pull that the pod forbids,
// and what arrives and cannot be used.
package image

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NotFound,
	Denied,
	Unreachable,
	BadName,
	NeverPull,
	RateLimited,
	Untrusted,
	InspectFailed,
	WrongPlatform,
	Unsigned,
	DiskFull,
	PullTimeout,
	SlowPull,
	CorruptLayer,
	Outdated,
	Volume,
	TagMoved,
	Unexplained,
}

// Manifests are the rules of this family about what is written before anything has run, in order of id.
var Manifests = []*diagnosis.Rule{
	TagMoves,
	Nameless,
}
