// SPDX-License-Identifier: Apache-2.0

// Package config holds the rules about configuration that a pod refers to and that is not there: a ConfigMap, a
// Secret, or a key in one of them.
package config

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	ConfigMapMissing,
	SecretMissing,
	KeyMissing,
}
