// SPDX-License-Identifier: Apache-2.0

// Package scaling holds the rules about autoscalers as manifests have them.
package scaling

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	Bounds,
}
