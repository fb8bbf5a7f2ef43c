// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A span is the lines of a file that an object takes.
type span struct {
	about       evidence.Ref
	first, last int
}

// spans are those of all files, by name, with the waivers in each.
type spans struct {
	of      map[string][]span
	waivers map[string][]collect.Waiver
}

// spans returns where the manifests stand, by paths that are shortened by a folder. Each ends where the next begins.
func (r *Result) spans(j Job, root string) spans {
	s := spans{of: map[string][]span{}, waivers: map[string][]collect.Waiver{}}
	for name, waivers := range r.waivers {
		s.waivers[relative(name, root)] = waivers
	}
	for ref, handles := range r.objects {
		for _, h := range handles {
			name := relative(tidyPath(j.Files[h.file].Name), root)
			s.of[name] = append(s.of[name], span{about: ref, first: h.line})
		}
	}
	for _, list := range s.of {
		slices.SortFunc(list, func(a, b span) int { return cmp.Or(a.first-b.first, a.about.Compare(b.about)) })
		for i := range list {
			list[i].last = 1 << 30
			if i+1 < len(list) {
				list[i].last = list[i+1].first - 1
			}
		}
	}
	return s
}

// path returns the path that another tool means: Trivy and Checkov tell it from the folder that they were given.
func (s spans) path(file string) string {
	if s.of[file] != nil {
		return file
	}
	found := ""
	for name := range s.of {
		if !strings.HasSuffix(name, "/"+file) {
			continue
		}
		if found != "" {
			return file // which of them is meant, nobody can tell
		}
		found = name
	}
	return cmp.Or(found, file)
}
