// SPDX-License-Identifier: Apache-2.0

// Package config holds the rules about what a pod is told to use and cannot have: a ConfigMap, a Secret or a key in one
// of them that is not there, a user that it may not be, an account, a token, a subPath or variables that it does not get.
package config

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	ConfigMapMissing,
	SecretMissing,
	KeyMissing,
	RunsAsRoot,
	NamedUser,
	AccountDeleted,
	PullSecretMissing,
	SubPath,
	InvalidEnvNames,
	ArgumentsTooLong,
	SecretStore,
	TokenMissing,
	Unconfigured,
}

// Manifests are the rules of this family about what is written before anything has run, in order of id.
var Manifests = []*diagnosis.Rule{
	PlainSecret,
	DuplicateVariable,
	VolumeMissing,
}
