// SPDX-License-Identifier: Apache-2.0

// Package rules lists every rule. One package a family, one file a rule.
package rules

import (
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/rules/admission"
	"github.com/kubeinquest/inquest/internal/rules/change"
	"github.com/kubeinquest/inquest/internal/rules/config"
	"github.com/kubeinquest/inquest/internal/rules/control"
	"github.com/kubeinquest/inquest/internal/rules/create"
	"github.com/kubeinquest/inquest/internal/rules/dependency"
	"github.com/kubeinquest/inquest/internal/rules/eviction"
	"github.com/kubeinquest/inquest/internal/rules/exit"
	"github.com/kubeinquest/inquest/internal/rules/image"
	"github.com/kubeinquest/inquest/internal/rules/initial"
	"github.com/kubeinquest/inquest/internal/rules/kernel"
	"github.com/kubeinquest/inquest/internal/rules/memory"
	"github.com/kubeinquest/inquest/internal/rules/node"
	"github.com/kubeinquest/inquest/internal/rules/pod"
	"github.com/kubeinquest/inquest/internal/rules/probe"
	"github.com/kubeinquest/inquest/internal/rules/sandbox"
	"github.com/kubeinquest/inquest/internal/rules/scheduling"
	"github.com/kubeinquest/inquest/internal/rules/storage"
	"github.com/kubeinquest/inquest/internal/rules/usage"
	"github.com/kubeinquest/inquest/internal/rules/workload"
)

// All returns every rule, family by family.
func All() []*diagnosis.Rule {
	return slices.Concat(
		admission.Rules,
		change.Rules,
		config.Rules,
		control.Rules,
		create.Rules,
		dependency.Rules,
		eviction.Rules,
		exit.Rules,
		image.Rules,
		initial.Rules,
		kernel.Rules,
		memory.Rules,
		node.Rules,
		pod.Rules,
		probe.Rules,
		sandbox.Rules,
		scheduling.Rules,
		storage.Rules,
		usage.Rules,
		workload.Rules,
	)
}
