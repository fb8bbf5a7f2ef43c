// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"fmt"
	"slices"
)

// A pairing is an element that stays, perhaps changed, or one that goes (want < 0) or comes (have < 0).
type pairing struct{ have, want int }

// keysOfElements are the fields by which lists of Kubernetes tell their elements apart, first come first used.
var keysOfElements = []string{"name", "mountPath", "devicePath", "containerPort", "key", "topologyKey", "ip", "port", "host", "path"}

// identity is what tells an element from its neighbours, or "" for one that nothing does.
func identity(element any) string {
	m, _ := element.(map[string]any)
	for _, key := range keysOfElements {
		if v, ok := m[key]; ok {
			return fmt.Sprint(v)
		}
	}
	return ""
}

// alike: 3 for elements that are equal, 2 for one that has changed, 1 for what may be one, 0 for two.
func alike(a, b any) int {
	x, y := identity(a), identity(b)
	switch {
	case same(a, b):
		return 3
	case x != "" && x == y:
		return 2
	case x != "" && y != "":
		return 0
	}
	was, _ := a.(map[string]any)
	will, _ := b.(map[string]any)
	for key, v := range was {
		if w, ok := will[key]; ok && same(v, w) {
			return 1
		}
	}
	return 0
}

// maxAlign bounds the table of a comparison: lists that are longer are compared place by place.
const maxAlign = 1 << 20

// align finds which elements of a list stay, in the order of both lists, so that as much as can be stays. Where some go and others come
// at the same place, they change into each other.
func align(have, want []any) []pairing {
	var pairs []pairing
	if len(have)*len(want) > maxAlign {
		for i := range min(len(have), len(want)) {
			pairs = append(pairs, pairing{i, i})
		}
	} else {
		pairs = common(have, want)
	}
	var steps []pairing
	i, j := 0, 0
	for _, p := range append(pairs, pairing{len(have), len(want)}) {
		for ; i < p.have && j < p.want; i, j = i+1, j+1 {
			steps = append(steps, pairing{i, j})
		}
		for ; i < p.have; i++ {
			steps = append(steps, pairing{i, -1})
		}
		for ; j < p.want; j++ {
			steps = append(steps, pairing{-1, j})
		}
		if p.have < len(have) {
			steps = append(steps, p)
		}
		i, j = p.have+1, p.want+1
	}
	return steps
}

// common returns the longest common subsequence, in which elements count the more the more alike they are.
func common(have, want []any) []pairing {
	best := make([][]int, len(have)+1)
	for i := range best {
		best[i] = make([]int, len(want)+1)
	}
	for i := range slices.Backward(have) {
		for j := len(want) - 1; j >= 0; j-- {
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if score := alike(have[i], want[j]); score > 0 {
				best[i][j] = max(best[i][j], best[i+1][j+1]+score)
			}
		}
	}
	var pairs []pairing
	for i, j := 0, 0; i < len(have) && j < len(want); {
		score := alike(have[i], want[j])
		switch {
		case score > 0 && best[i][j] == best[i+1][j+1]+score:
			pairs = append(pairs, pairing{i, j})
			i, j = i+1, j+1
		case best[i][j] == best[i+1][j]:
			i++
		default:
			j++
		}
	}
	return pairs
}
