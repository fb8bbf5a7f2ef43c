// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
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

// isOf tells whether it is that of an object that another tool names, which may leave out the namespace.
func (s span) isOf(about evidence.Ref) bool {
	return s.about.Kind == about.Kind && s.about.Name == about.Name && (about.Namespace == "" || about.Namespace == s.about.Namespace)
}

// spans are those of all files, by name, with the waivers in each.
type spans struct {
	root    string // the folder that absolute paths are shortened by
	of      map[string][]span
	waivers map[string][]collect.Waiver
	at      map[string]string // the names of the files, by their absolute paths
	meant   map[string]string // what was found for paths of others
}

// spans returns where the manifests stand, by paths that are shortened by a folder. Each ends where the next begins.
func (r *Result) spans(j Job, root string) spans {
	s := spans{root: root, of: map[string][]span{}, waivers: map[string][]collect.Waiver{}, at: map[string]string{}, meant: map[string]string{}}
	for name, waivers := range r.waivers {
		s.waivers[relative(name, root)] = waivers
	}
	for ref, handles := range r.objects {
		for _, h := range handles {
			name := relative(tidyPath(j.Files[h.file].Name), root)
			s.of[name] = append(s.of[name], span{about: ref, first: h.line})
		}
	}
	for name, list := range s.of {
		s.at[s.absolute(name)] = name
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

// path returns which file another tool means. Its report may tell a path from the folder that was scanned, or an absolute one of another
// machine, where the same files lay in another folder.
func (s spans) path(f *Finding) string {
	given := append(slices.Clone(f.paths), f.File) // the surest first
	key := strings.Join(given, "\x00")
	meant, found := s.meant[key]
	if !found {
		meant = s.find(given)
		s.meant[key] = meant
	}
	return meant
}

func (s spans) find(given []string) string {
	for _, file := range given {
		if name, known := s.at[s.absolute(file)]; known {
			return name
		}
	}
	for _, file := range given {
		if name := s.endsIn(file); name != "" {
			return name
		}
	}
	for _, file := range given {
		if name := s.elsewhere(file); name != "" {
			return name
		}
	}
	for _, file := range given {
		if file = relative(file, s.root); !filepath.IsAbs(file) && !strings.HasPrefix(file, "../") {
			return file
		}
	}
	return given[len(given)-1]
}

// endsIn returns the one scanned file whose path ends so; "" where there is none, or nobody can tell which of several is meant.
func (s spans) endsIn(file string) string {
	found := ""
	for name := range s.of {
		if !strings.HasSuffix(name, "/"+file) {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// elsewhere returns the file that an absolute path outside of the root stands for: the longest end of it that there is below the root.
func (s spans) elsewhere(file string) string {
	const longest = 4096 // PATH_MAX of Linux
	if !path.IsAbs(file) || len(file) > longest || relative(file, s.root) != file {
		return ""
	}
	for _, rest, more := strings.Cut(file[1:], "/"); more; _, rest, more = strings.Cut(rest, "/") {
		if name, known := s.at[s.absolute(rest)]; known {
			return name
		}
		if info, err := os.Stat(s.absolute(rest)); err == nil && info.Mode().IsRegular() {
			return rest
		}
	}
	return ""
}

// absolute returns a path as one from the root of the file system.
func (s spans) absolute(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.ToSlash(filepath.Join(s.root, file))
}

// relative writes an absolute path below a folder as one from there.
func relative(file, root string) string {
	if !filepath.IsAbs(file) {
		return file
	}
	if rel, err := filepath.Rel(root, filepath.FromSlash(file)); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return file
}
