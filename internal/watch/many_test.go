// SPDX-License-Identifier: Apache-2.0

//go:build !e2e

package watch

// many is how many containers restart while nothing is heard: fewer than what is promised, to be quick under the race detector.
const many = 60
