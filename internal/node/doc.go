// SPDX-License-Identifier: Apache-2.0

// Package node is the agent of a node: it starts the rooms below it that are switched on, gives each what it needs of the
// others, keeps what they tell and serves it. What a node does not have is a gap that is served, and is looked for again.
// It runs on Linux alone.
package node
