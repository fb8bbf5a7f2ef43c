// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
)

// drain is the algorithm of He, Zhu, Zheng and Lyu (ICWS 2017) written down plainly, as the authors' own program does
// it: variables are masked by regular expressions, lines are parted at blanks, and a tree of fixed depth leads to the
// groups that a line is compared with.
type drain struct {
	masks    []*regexp.Regexp
	root     *node
	depth    int
	children int
	alike    float64
	groups   int
}

type node struct {
	next   map[string]*node
	groups []*[]string
}

const gap = "<*>"

// newDrain takes the values that the authors use for most of their data sets.
func newDrain() *drain {
	return &drain{
		masks: []*regexp.Regexp{
			regexp.MustCompile(`blk_-?\d+`),
			regexp.MustCompile(`(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?`),
			regexp.MustCompile(`\b(?:0x)?[0-9a-f]{8,}\b`),
			regexp.MustCompile(`\b[-+]?\d+\b`),
		},
		root: &node{next: map[string]*node{}}, depth: 2, children: 100, alike: 0.5,
	}
}

// add takes a line, and says whether it is the first of its template.
func (d *drain) add(line string) bool {
	for _, m := range d.masks {
		line = m.ReplaceAllString(line, gap)
	}
	words := strings.Fields(line)
	leaf := d.leaf(words)
	if g := d.closest(leaf, words); g != nil {
		for i, w := range words {
			if (*g)[i] != w {
				(*g)[i] = gap
			}
		}
		return false
	}
	leaf.groups = append(leaf.groups, &words)
	d.groups++
	return true
}

func (d *drain) leaf(words []string) *node {
	at := d.child(d.root, string(rune(len(words))), false)
	for i := 0; i < d.depth && i < len(words); i++ {
		at = d.child(at, words[i], true)
	}
	return at
}

func (d *drain) child(at *node, word string, limited bool) *node {
	if limited && strings.ContainsAny(word, "0123456789") {
		word = gap
	}
	if limited && at.next[word] == nil && len(at.next) >= d.children {
		word = gap
	}
	if at.next[word] == nil {
		at.next[word] = &node{next: map[string]*node{}}
	}
	return at.next[word]
}

func (d *drain) closest(leaf *node, words []string) *[]string {
	var best *[]string
	most := 0
	for _, g := range leaf.groups {
		same := 0
		for i, w := range *g {
			if w == words[i] {
				same++
			}
		}
		if same > most {
			best, most = g, same
		}
	}
	if float64(most) < d.alike*float64(len(words)) {
		return nil
	}
	return best
}
