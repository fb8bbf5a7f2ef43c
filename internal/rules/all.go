// SPDX-License-Identifier: Apache-2.0

// Package rules lists every rule: those about what has happened, which why runs, and those about what is written, which scan
// runs. One package a family, one file a rule.
package rules

import (
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/rules/access"
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
	"github.com/kubeinquest/inquest/internal/rules/manifest"
	"github.com/kubeinquest/inquest/internal/rules/memory"
	"github.com/kubeinquest/inquest/internal/rules/node"
	"github.com/kubeinquest/inquest/internal/rules/pod"
	"github.com/kubeinquest/inquest/internal/rules/probe"
	"github.com/kubeinquest/inquest/internal/rules/resource"
	"github.com/kubeinquest/inquest/internal/rules/sandbox"
	"github.com/kubeinquest/inquest/internal/rules/scaling"
	"github.com/kubeinquest/inquest/internal/rules/scheduling"
	"github.com/kubeinquest/inquest/internal/rules/security"
	"github.com/kubeinquest/inquest/internal/rules/set"
	"github.com/kubeinquest/inquest/internal/rules/stopping"
	"github.com/kubeinquest/inquest/internal/rules/storage"
	"github.com/kubeinquest/inquest/internal/rules/usage"
	"github.com/kubeinquest/inquest/internal/rules/workload"
)

// All returns every rule about what has happened, family by family.
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

// Manifests returns the rules that look at one manifest at a time, family by family. What is risky is no finding about a death,
// so why does not run them.
func Manifests() []*diagnosis.Rule {
	return slices.Concat(
		access.Rules,
		config.Manifests,
		image.Manifests,
		manifest.Rules,
		memory.Manifests,
		probe.Manifests,
		resource.Rules,
		scaling.Rules,
		security.Rules,
		stopping.Rules,
		workload.Manifests,
	)
}

// Sets returns the rules that look at all manifests together.
func Sets() []*diagnosis.Rule { return slices.Concat(security.Sets, set.Rules) }

// Everything returns all rules there are, for what lists and explains them.
func Everything() []*diagnosis.Rule { return slices.Concat(All(), Manifests(), Sets()) }
