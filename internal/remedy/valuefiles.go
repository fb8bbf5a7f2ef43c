// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A valueFile is a file of values that the owner of a release names, or a pattern of some.
type valueFile struct {
	repo string // that it is in; "": that of the chart
	name string // from the top of the repository, or of the package that the chart comes in; "": it is in none
}

// filesOfArgo reads which files of values an Application names (argo-cd.readthedocs.io, Helm, Values Files).
func (g *Git) filesOfArgo(app, source, helm map[string]any) {
	g.chart = text(source, "path")
	g.skips = helm["ignoreMissingValueFiles"] == true
	files, _ := helm["valueFiles"].([]any)
	for _, f := range files {
		file, _ := f.(string)
		at, shown := g.fileOfArgo(app, file)
		g.files, g.Files = append(g.files, at), append(g.Files, shown)
	}
}

// fileOfArgo tells where a file of values is: one that begins with $ref is of the source of that name, one with a slash is below the top of
// the repository, and any other below the chart.
func (g *Git) fileOfArgo(app map[string]any, file string) (at valueFile, shown string) {
	if ref, rest, ok := strings.Cut(file, "/"); ok && strings.HasPrefix(ref, "$") {
		sources, _ := app["sources"].([]any)
		for _, s := range sources {
			if m, _ := s.(map[string]any); text(m, "ref") == ref[1:] {
				of := &Git{Repo: text(m, "repoURL"), Path: rest, Revision: text(m, "targetRevision")}
				if at = (valueFile{of.Repo, path.Clean(rest)}); of.Repo == g.Repo && of.Revision == g.Revision {
					at.repo = ""
				}
				return at, of.String()
			}
		}
		return valueFile{}, file
	}
	switch {
	case strings.Contains(file, "://"), strings.Contains(file, "$"): // fetched, or with a variable of the build
		return valueFile{}, file
	case strings.HasPrefix(file, "/"):
		file = path.Clean(file)[1:]
	default:
		file = path.Join(g.chart, file)
	}
	return valueFile{"", file}, (&Git{Repo: g.Repo, Path: file, Revision: g.Revision}).String()
}

// filesOfFlux reads which files a HelmRelease has its chart built with, in the place of the chart's own values.yaml (fluxcd.io, HelmChart, Values
// files): from the top of the source, or of the chart where that comes as a package.
func (g *Git) filesOfFlux(release *unstructured.Unstructured) {
	spec, _, _ := unstructured.NestedMap(release.Object, "spec", "chart", "spec")
	kind, _, _ := unstructured.NestedString(spec, "sourceRef", "kind")
	own := "values.yaml"
	if kind != "HelmRepository" {
		g.chart = path.Clean(strings.TrimPrefix(text(spec, "chart"), "/"))
		own = path.Join(g.chart, own)
	}
	g.skips = spec["ignoreMissingValuesFiles"] == true
	list, _ := spec["valuesFiles"].([]any)
	for _, f := range list {
		file, _ := f.(string)
		at := valueFile{"", path.Clean(strings.TrimPrefix(file, "/"))}
		g.Files = append(g.Files, at.name)
		if isPattern(at.name) { // which it is not to Flux
			at = valueFile{}
		}
		g.files = append(g.files, at)
	}
	if len(g.files) > 0 && !slices.Contains(g.files, valueFile{"", own}) {
		g.Unproven = append(g.Unproven, "its valuesFiles do not name the chart's own values.yaml, which is not used then")
	}
	if by, _, _ := unstructured.NestedString(release.Object, "spec", "chartRef", "kind"); by == "HelmChart" {
		g.Unproven = append(g.Unproven, "its chartRef is a HelmChart, which may name files of values")
	}
}

// notNamed says that fewer files were named than the owner has.
func (g *Git) notNamed(n int) []string {
	if n >= len(g.Files) {
		return nil
	}
	by := "HelmRelease"
	if g.Field != "" {
		by = "Application"
	}
	return []string{"the " + by + " gives the chart " + strings.Join(g.Files, ", ") + ": name them with --values, in that order"}
}

// found returns the files of values that the owner names, in its order, from the checkout and the chart that are at hand, and says which are
// not there. A pattern stands for what it matches, but for files that are named as well: these count where they are named.
func (g *Git) found(s Sources) (files, lacks []string) {
	explicit := map[string]bool{}
	for i, f := range g.files {
		dir, name, ok := g.place(s, f)
		if !ok {
			return nil, g.notNamed(0)
		}
		matches, err := matching(dir, name)
		switch {
		case err != nil:
			lacks = append(lacks, fmt.Sprintf("%s cannot be read here: %v", g.Files[i], err))
		case len(matches) == 0 && !g.skips:
			lacks = append(lacks, fmt.Sprintf("%s is not in %s, and is not to be left out", g.Files[i], dir))
		}
		for _, m := range matches {
			file, named := filepath.Join(dir, filepath.FromSlash(m)), !isPattern(name)
			if slices.Contains(files, file) && (!named || explicit[file]) {
				continue
			}
			files = append(slices.DeleteFunc(files, func(other string) bool { return other == file }), file)
			explicit[file] = explicit[file] || named
		}
	}
	return files, lacks
}

// place returns the folder here in which a file is to be looked for, and its name in it.
func (g *Git) place(s Sources, f valueFile) (dir, name string, ok bool) {
	switch {
	case f.name == "" || strings.HasPrefix(f.name, "..") || strings.ContainsAny(f.name, "{$"):
		return "", "", false
	case f.repo != "": // the checkout is of what the change is made in: with a chart that comes as a package that can only be this one
		only := !slices.ContainsFunc(g.files, func(other valueFile) bool { return other.repo != "" && other.repo != f.repo })
		return s.Checkout, f.name, g.chart == "" && only && s.Checkout != ""
	case g.chart == "":
		return s.Chart, f.name, s.Chart != ""
	}
	in := strings.Trim(path.Clean("/"+g.chart), "/")
	if _, err := os.Stat(filepath.Join(s.Checkout, filepath.FromSlash(in), "Chart.yaml")); s.Checkout != "" && err == nil {
		return s.Checkout, f.name, true
	}
	if s.Chart == "" {
		return "", "", false
	}
	if below, ok := strings.CutPrefix(f.name, in+"/"); ok || in == "" {
		return s.Chart, below, true
	}
	top, err := filepath.Abs(s.Chart)
	if err != nil {
		return "", "", false
	}
	top, ok = strings.CutSuffix(top, string(filepath.Separator)+filepath.FromSlash(in))
	return top, f.name, ok
}

func isPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// matching returns the files below a folder that a name or a pattern means, as Argo CD has it: ** stands for any folders, and the files of a folder
// come before those below it. No link leads out of the folder.
func matching(dir, name string) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if !isPattern(name) {
		info, err := root.Stat(filepath.FromSlash(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is no file", name)
		}
		return []string{name}, nil
	}
	m := matcher{fsys: root.FS()}
	err = m.walk(".", strings.Split(name, "/"))
	return m.files, err
}

// A matcher finds the files that a pattern means.
type matcher struct {
	fsys  fs.FS
	files []string
	seen  int
}

func (m *matcher) walk(dir string, pattern []string) error {
	if pattern[0] == "**" && len(pattern) > 1 {
		if err := m.walk(dir, pattern[1:]); err != nil {
			return err
		}
	}
	entries, err := fs.ReadDir(m.fsys, dir)
	if m.seen += len(entries); m.seen > maxFiles {
		return fmt.Errorf("there are more than %d files below its folder", maxFiles)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var folders []string
	for _, entry := range entries {
		at := path.Join(dir, entry.Name())
		fits, wrong := path.Match(strings.Replace(pattern[0], "**", "*", 1), entry.Name())
		if err = errors.Join(err, wrong); !fits {
			continue
		}
		info, wrong := fs.Stat(m.fsys, at)
		switch {
		case errors.Is(wrong, fs.ErrNotExist): // a link to nothing
		case wrong != nil:
			err = errors.Join(err, wrong)
		case info.IsDir():
			folders = append(folders, at)
		case info.Mode().IsRegular() && len(pattern) == 1:
			m.files = append(m.files, at)
		}
	}
	rest := pattern
	if pattern[0] != "**" {
		rest = pattern[1:]
	}
	for _, folder := range folders {
		if err == nil && len(rest) > 0 {
			err = m.walk(folder, rest)
		}
	}
	return err
}
