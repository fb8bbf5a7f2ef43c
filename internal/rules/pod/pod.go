// SPDX-License-Identifier: Apache-2.0

// Package pod holds the rules about pods that somebody deletes: the deletion that ended the containers, and the deletion
// that does not come to an end.
package pod

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	Deleted,
	StuckTerminating,
}
