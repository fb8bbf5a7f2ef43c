// SPDX-License-Identifier: Apache-2.0

// Package memory holds the rules about memory: who ran out of it, at which limit, and who only paid for it.
package memory

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	OOMKilled,
	ChildOOMKilled,
}
