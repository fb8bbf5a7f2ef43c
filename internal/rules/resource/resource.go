// SPDX-License-Identifier: Apache-2.0

// Package resource holds the rules about what containers ask for and may use, before they run: what is missing, what cannot be
// meant, and what makes a pod the first to go.
package resource

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	NoMemoryLimit,
	NoMemoryRequest,
	NoCPURequest,
	RequestAboveLimit,
	OddMemory,
	TightCPU,
	Overcommitted,
}

// container returns the pass's container as the spec has it, whose own requests and limits count; nil where the pod has its
// own (KEP-2837).
func container(p *diagnosis.Pass) *corev1.Container {
	if p.PodSpec().Resources != nil {
		return nil
	}
	return p.Spec()
}

// finding says what is wrong with one amount of the pass's container, and what remedies it.
func finding(p *diagnosis.Pass, field string, value any, fix, format string, args ...any) diagnosis.Finding {
	return diagnosis.Finding{
		Confidence: diagnosis.Possible, Message: fmt.Sprintf(format, args...),
		Facts: []evidence.Fact{p.CiteSpec("resources."+field, value)},
		Fixes: []diagnosis.Fix{{Title: fix, Risk: diagnosis.Restart}},
	}
}

const unset = "is not set"
