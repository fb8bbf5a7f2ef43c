// SPDX-License-Identifier: Apache-2.0

// Package initial holds the rules about init containers: those that keep a pod from starting,
// and native sidecars, which keep it from being ready.
package initial

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	Blocked,
	Sidecar,
}
