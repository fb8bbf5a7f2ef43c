// SPDX-License-Identifier: Apache-2.0

//go:build race

package cli

// raced: the race detector watches, which makes everything several times slower. It sees in some fixtures what it would
// see in all of them; make test runs all of them without it as well.
const raced = true
