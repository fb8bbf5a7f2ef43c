// SPDX-License-Identifier: Apache-2.0

// Package dependency holds the rules about what a program needs and cannot use: a Service, the pods behind it, a name,
// the network between, a certificate, credentials. The words come from the log, so that what they say is possible; what the
// Service, its endpoints and the network policies say makes it likely. Which of the rules speaks is decided in one
// place, by the class of the call.
package dependency

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	BackendDown,
	NoPods,
	SelectorMismatch,
	PortMismatch,
	NoSuchService,
	NamesUnanswered,
	PolicyDenies,
	CertificateRefused,
	CredentialsRefused,
	DependencyFull,
	Unreached,
	SlowDependency,
	MeshNotReady,
}
