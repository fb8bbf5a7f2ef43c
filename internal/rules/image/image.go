// SPDX-License-Identifier: Apache-2.0

// Package image holds the rules about images that a node cannot get: the tag that does not exist, the registry that
// refuses, the registry that is not reached, the name that is none, and the pull that the pod forbids.
package image

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NotFound,
	Denied,
	Unreachable,
	BadName,
	NeverPull,
}
