// SPDX-License-Identifier: Apache-2.0

package collect

import (
	yamlv3 "go.yaml.in/yaml/v3"
)

const (
	// maxMerges bounds how deep mappings are merged into mappings.
	maxMerges = 20
	// manyKeys is from how many keys on a mapping is worth an index of them.
	manyKeys = 16
)

// pairs calls each for the keys and values of a mapping, and then for those of the mappings that are merged into it (<<), as far as
// it has no such key. What is given twice is told.
func (d *strict) pairs(n *yamlv3.Node, each func(key string, value *yamlv3.Node)) {
	var seen map[string]bool
	if len(n.Content) > 2*manyKeys {
		seen = make(map[string]bool, len(n.Content)/2)
	}
	merges := false
	for i := 0; i+1 < len(n.Content) && *d.steps >= 0; i += 2 {
		key := n.Content[i]
		if isMerge(key) {
			merges = true
			continue
		}
		d.at = append(d.at, step{key: key.Value})
		if seen[key.Value] || seen == nil && givenBefore(n, i) {
			d.tell(FactTwice, "field %[1]s is given twice, and the API server takes the last or refuses both")
		}
		if seen != nil {
			seen[key.Value] = true
		}
		each(key.Value, n.Content[i+1])
		d.at = d.at[:len(d.at)-1]
	}
	if !merges {
		return
	}
	if seen == nil {
		seen = map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			seen[n.Content[i].Value] = true
		}
	}
	d.merge(n, seen, each, 1)
}

func isMerge(key *yamlv3.Node) bool { return key.Value == "<<" && key.ShortTag() == "!!merge" }

func givenBefore(n *yamlv3.Node, i int) bool {
	for j := 0; j < i; j += 2 {
		if n.Content[j].Value == n.Content[i].Value {
			return true
		}
	}
	return false
}

// merge calls each for the pairs of what is merged into a mapping, with what is merged into that in its turn. Each pair that is looked
// at is a step, whether it counts or not, so that mappings that merge each other have an end.
func (d *strict) merge(n *yamlv3.Node, seen map[string]bool, each func(key string, value *yamlv3.Node), depth int) {
	for i := 0; i+1 < len(n.Content) && *d.steps >= 0; i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := behind(n.Content[i+1])
		list := []*yamlv3.Node{from}
		if from.Kind == yamlv3.SequenceNode {
			list = from.Content
		}
		for _, one := range list {
			if one = behind(one); one.Kind == yamlv3.MappingNode {
				d.mergeOne(one, seen, each, depth)
			}
		}
	}
}

func (d *strict) mergeOne(one *yamlv3.Node, seen map[string]bool, each func(key string, value *yamlv3.Node), depth int) {
	if depth > maxMerges {
		d.stop("mappings are merged into each other (<<) more than 20 deep, which is not read")
		return
	}
	for i := 0; i+1 < len(one.Content) && d.spend(1); i += 2 {
		key := one.Content[i]
		if seen[key.Value] || isMerge(key) {
			continue
		}
		seen[key.Value] = true
		d.at = append(d.at, step{key: key.Value})
		each(key.Value, one.Content[i+1])
		d.at = d.at[:len(d.at)-1]
	}
	d.merge(one, seen, each, depth+1)
}
