// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The least that the catalogue's fixtures must show.
const (
	leastCovered  = 240
	leastRecorded = 100
)

func TestCoverageIsCurrent(t *testing.T) {
	causes, err := readCatalogue(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := attach(os.DirFS("../../.."), causes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../" + coverage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(coveragePage(causes, counts)), string(got)); diff != "" {
		t.Errorf("%s is not what the fixtures say; run make generate (-fixtures +page):\n%s", coverage, diff)
	}
	covered := 0
	for _, c := range causes {
		switch {
		case len(c.shown) > 0:
			covered++
		case c.why == "":
			t.Errorf("cause %d (%s) has neither a fixture nor a reason why not", c.number, c.name)
		}
	}
	if covered < leastCovered || counts["lab"] < leastRecorded {
		t.Errorf("%d causes are covered, at least %d; %d fixtures are recorded, at least %d", covered, leastCovered, counts["lab"], leastRecorded)
	}
}

func TestCommentSaysTheOrigin(t *testing.T) {
	for _, c := range []struct {
		text, origin string
		rows         []int
		bad          bool
	}{
		{"origin: lab\nrows: 3, 41\n", "lab", []int{3, 41}, false},
		{"origin: source containerd core/images\nmore words\n", "source", nil, false},
		{"A near miss.\norigin: hand, from a recording\nnear: CFG001\n", "hand", nil, false},
		{"rows: 3\n", "", nil, true},
		{"origin: rumour\n", "", nil, true},
		{"origin: lab\nrows: three\n", "", nil, true},
	} {
		origin, rows, err := comment(c.text)
		if diff := cmp.Diff(c.rows, rows); origin != c.origin || diff != "" || (err != nil) != c.bad {
			t.Errorf("comment(%q) = %q, %v, %v", c.text, origin, rows, err)
		}
	}
}

func TestCatalogueIsInOrder(t *testing.T) {
	for _, text := range []string{"2\tname\t\n", "1\tname\n", "one\tname\t\n"} {
		if _, err := readCatalogue(text); err == nil {
			t.Errorf("readCatalogue(%q) says nothing", text)
		}
	}
}
