// SPDX-License-Identifier: Apache-2.0

//go:build e2e && storm

package e2e

import (
	"flag"
	"testing"
	"time"
)

var (
	stormNode = flag.String("storm.node", "n2", "node of the lab where the storms are")
	stormFor  = flag.Duration("storm.for", 10*time.Minute, "how long each of them lasts")
)

// TestStorm has 110 containers of one node crash for ten minutes in which the node is cut off: once with the agent killed five
// times, when what it recorded and what it says it missed must be all that happened, and once without, when it must have
// recorded all. It takes half an hour, and so has a tag of its own.
func TestStorm(t *testing.T) {
	agentsUp(t)
	for name, kills := range map[string]int{"agent killed": 5, "agent alive": 0} {
		s := tempest{node: *stormNode, pods: 11, each: 10, kills: kills, lasts: *stormFor, cut: true}
		t.Run(name, s.rage)
	}
}
