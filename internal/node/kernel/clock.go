// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"time"

	"golang.org/x/sys/unix"
)

// A clock turns the kernel's time of a record into the time of day. The kernel stamps its log with a clock of the
// processor that is never set right and stands while the machine sleeps, so the two drift apart, by up to some 50 millionths. What
// comes while it is waited for is of now: with each such record the clock is set, and times are right to some
// milliseconds. What was in the ring before is as far off as the drift since the last record came, at worst since boot: about
// four seconds a day.
type clock struct{ boot time.Time }

// bootClock is the clock as far as it can be known before the first record.
func bootClock() clock {
	now := time.Now()
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up); err != nil {
		return clock{now}
	}
	return clock{now.Add(-time.Duration(up.Nano())).Round(0)}
}

// at returns the time of day.
func (c *clock) at(since time.Duration) time.Time { return c.boot.Add(since).UTC() }

// tolerance is how much later a record of /dev/kmsg may be read than it was written.
const tolerance = 20 * time.Millisecond

// live sets the clock by a record that was written at most so much earlier than it is read.
func (c *clock) live(since time.Duration, now time.Time, tolerance time.Duration) {
	if late := now.Sub(c.at(since)); late < 0 || late > tolerance {
		c.boot = now.Round(0).Add(-since)
	}
}
