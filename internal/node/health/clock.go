// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// clockOff is how far the clocks may be apart. A Date header has whole seconds, and needs some time to come.
	clockOff = 2 * time.Second
	// clockMoved is how much the offset must change to be told anew.
	clockMoved = 500 * time.Millisecond
)

// A clock is what was told of the offset.
type clock struct {
	known bool
	off   bool
	last  time.Duration
}

// checkClock tells the offset to the API server's clock, with which the times of all that is told here can be compared with
// what the API says, and tells when it is too large.
func (c *Checker) checkClock() {
	if c.options.Clock == nil {
		return
	}
	offset, ok := c.options.Clock()
	if !ok {
		return
	}
	k, now := &c.clock, c.options.Now()
	text := fmt.Sprintf("the machine's clock is %s from the API server's", offset.Round(time.Millisecond))
	if !k.known || (offset-k.last).Abs() >= clockMoved {
		k.known, k.last = true, offset
		c.fact(evidence.FromMetric, now, "clock", "clock-offset", text, offset.Seconds())
	}
	off := offset.Abs() >= clockOff || k.off && offset.Abs() >= clockOff/2
	if off && !k.off {
		c.fact(evidence.FromKubelet, now, "clock", "clock", text, offset.Seconds())
	}
	k.off = off
}
