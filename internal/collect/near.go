// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// unknown is the error for a thing that is not there, with what may have been meant: near names, or the same name in
// other namespaces. If nothing comes near, remedy says how to see what there is.
func unknown(ref evidence.Ref, names []string, elsewhere []evidence.Ref, remedy string) error {
	text := fmt.Sprintf("there is no %s %s", strings.ToLower(ref.Kind), ref.Name)
	if ref.Namespace != "" {
		text += " in namespace " + ref.Namespace
	}
	if len(elsewhere) > 0 {
		var in []string
		for _, at := range elsewhere {
			in = append(in, at.Namespace)
		}
		return fmt.Errorf("%s, but there is one in %s: name it with -n", text, joined(in))
	}
	if near := Nearest(ref.Name, names); len(near) > 0 {
		return fmt.Errorf("%s, near names are %s", text, joined(near))
	}
	return fmt.Errorf("%s: %s", text, remedy)
}

// listing tells how to see what of a kind there is in a cluster.
func listing(ref evidence.Ref) string {
	list := "kubectl get " + resources[ref.Kind].plural
	if ref.Namespace != "" {
		list += " -n " + ref.Namespace
	}
	return list + " shows what there is"
}

// mostNamed is how many names are listed where one of them was expected.
const mostNamed = 5

// holding tells what of a kind recorded evidence holds.
func holding(names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	switch {
	case len(names) == 0:
		return "this evidence holds none"
	case len(names) > mostNamed:
		return fmt.Sprintf("this evidence holds %s and %d more", joined(names[:mostNamed]), len(names)-mostNamed)
	}
	return "this evidence holds " + joined(names)
}

func joined(names []string) string { return strings.Join(names, ", ") }

// Nearest returns up to three names that the given one may have been meant to be, the most alike first: those that
// begin with it, as a pod's name does with its workload's, then those that are, or begin with, something a few letters
// different.
func Nearest(name string, names []string) []string {
	type candidate struct {
		name  string
		score int
	}
	var list []candidate
	for _, n := range names {
		d := distance(name, n)
		if parts := strings.Split(n, "-"); len(parts) > strings.Count(name, "-")+1 {
			d = min(d, distance(name, strings.Join(parts[:strings.Count(name, "-")+1], "-")))
		}
		switch {
		case strings.HasPrefix(n, name) || strings.HasPrefix(name, n):
			list = append(list, candidate{n, 0})
		case d <= 1+len(name)/4:
			list = append(list, candidate{n, d})
		case len(name) > 2 && strings.Contains(n, name):
			list = append(list, candidate{n, len(name)})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.name, b.name)) })
	var near []string
	for _, c := range slices.Compact(list) {
		near = append(near, c.name)
	}
	return near[:min(len(near), 3)]
}

// distance is how many letters must be added, left out or changed to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
