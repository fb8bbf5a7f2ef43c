// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// LinkDown recognises a network card that lost its link or does not send.
var LinkDown = &diagnosis.Rule{
	ID:    "KRN018",
	Title: "Network card is down or stuck",
	Doc: `
A network card of the node lost its link, or does not send what it was given. If it is the only one, the node goes silent: its lease is not renewed and after a while it is
NotReady, while its containers go on.

**How it is told from its look-alikes.** By "NIC Link is Down" without "Link is Up" for the same card after it, or "NETDEV WATCHDOG … transmit queue … timed out". A link that is up
again is over. The virtual devices of pods (veth, cali, lxc, cni0) go up and down with their pods and mean nothing.

**What to do.** Look at cable, switch and driver; with a time-out of the queue at the driver and its firmware first.

The lines are written by each driver in drivers/net and in net/sched/sch_generic.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.NetworkFailed,
	Run: func(p *diagnosis.Pass) {
		down := map[string]evidence.Fact{}
		var order []string
		for _, f := range records(p, "link-down", "link-up", "link-stuck") {
			switch card := cardOf(f); {
			case virtual(card):
			case f.Name == "link-up":
				delete(down, card)
			default:
				down[card] = f
				order = append(order, card)
			}
		}
		for _, card := range order {
			f, isDown := down[card]
			if !isDown {
				continue
			}
			delete(down, card)
			state := "lost its link"
			if f.Name == "link-stuck" {
				state = "does not send (its transmit queue timed out)"
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: []evidence.Fact{f},
				Message: fmt.Sprintf("network card %s of %s %s", card, nodeName(p), state),
				Fixes:   []diagnosis.Fix{onNode("Look at the cable, the switch and the driver", "ip -s link show "+card+"; ethtool "+card)},
			})
		}
	},
}

// cardName finds the name of the card, which stands before the words; in the watchdog's old form after them.
var cardName = regex.New(`([^\s:]+):? (?:(?:NIC )?Link is|NETDEV WATCHDOG: CPU)|NETDEV WATCHDOG: ([^\s:]+)`)

func cardOf(f evidence.Fact) string { return matched(cardName, f) }

func virtual(card string) bool {
	for _, prefix := range []string{"veth", "cali", "lxc", "cni", "docker", "br-", "flannel", "tun", "tap", "vxlan"} {
		if strings.HasPrefix(card, prefix) {
			return true
		}
	}
	return false
}
