// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// near returns the one name that want was probably meant to be: the same but for case and punctuation, or at most two
// letters off. Empty when there is none or more than one.
func near(want string, names []string) string {
	var found string
	for _, name := range names {
		if fold(name) != fold(want) && (len(want) < 5 || distance(name, want) > 2) {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(s))
}

// distance is the number of letters to insert, remove or change to make b of a (Levenshtein). Keys have at most 253
// letters.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
