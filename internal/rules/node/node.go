// SPDX-License-Identifier: Apache-2.0

// Package node holds the rules about nodes that fail their pods: those that do not report and those that restarted.
package node

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NotReady,
	Restarted,
}
