// SPDX-License-Identifier: Apache-2.0

// Package stopping holds the rules about how a container is to end, before it has run: the time that it is given, the hook that takes it,
// and whether the signal reaches the program.
package stopping

import "github.com/kubeinquest/inquest/internal/diagnosis"

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	HookTooLong,
	NoGrace,
	ShellFirst,
}
