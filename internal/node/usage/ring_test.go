// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"testing"
	"unsafe"
)

// TestRingsAreSmall: 110 containers with ten minutes each, and what is kept of those that ended.
func TestRingsAreSmall(t *testing.T) {
	const points = int(defaultKeep / defaultEvery)
	if all := (110 + mostEnded) * points * int(unsafe.Sizeof(point{})); all > 3<<20 {
		t.Errorf("%d bytes", all)
	}
	r := ring{most: points}
	for i := range 3 * points {
		r.add(point{at: uint32(i)})
	}
	next := uint32(2 * points)
	r.all(func(p *point) {
		if p.at != next {
			t.Fatalf("got %d, want %d", p.at, next)
		}
		next++
	})
	if r.last().at != uint32(3*points-1) || cap(r.points) > 2*points {
		t.Errorf("last %d of %d", r.last().at, cap(r.points))
	}
}
