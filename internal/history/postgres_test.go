// SPDX-License-Identifier: Apache-2.0

//go:build !e2e

package history

import "testing"

// postgres returns how to make an empty database; nil where there is no server. With the tag e2e there has to be one.
func postgres() func(*testing.T) string { return nil }

// What keeps make test fast: with the tag e2e these are more.
const (
	thorough    = false
	usualKills  = 4
	usualChecks = "10"
)
