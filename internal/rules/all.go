// SPDX-License-Identifier: Apache-2.0

// Package rules lists every rule. One package a family, one file a rule.
package rules

import (
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/rules/config"
	"github.com/kubeinquest/inquest/internal/rules/exit"
	"github.com/kubeinquest/inquest/internal/rules/image"
	"github.com/kubeinquest/inquest/internal/rules/memory"
	"github.com/kubeinquest/inquest/internal/rules/probe"
	"github.com/kubeinquest/inquest/internal/rules/scheduling"
)

// All returns every rule, family by family.
func All() []*diagnosis.Rule {
	return slices.Concat(
		config.Rules,
		image.Rules,
		exit.Rules,
		memory.Rules,
		probe.Rules,
		scheduling.Rules,
	)
}
