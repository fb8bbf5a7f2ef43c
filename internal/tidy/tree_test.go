// SPDX-License-Identifier: Apache-2.0

package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A tree is a project as its checks see it: every file that git could hold, Go files parsed.
type tree struct {
	project fs.FS
	fset    *token.FileSet
	texts   []text
	files   []*goFile
	modules []string // folders with a go.mod, the root as "."
}

// A text is a file that is not binary, by its slash-separated path from the root.
type text struct {
	name string
	data []byte
}

// A goFile is a parsed Go file. Its module is "." or the folder of another go.mod.
type goFile struct {
	text
	fset      *token.FileSet
	syntax    *ast.File
	module    string
	generated bool
}

// outside are the folders that are not the project's own text: what programs write and git ignores, and the small
// projects with every fault in them.
var outside = []string{".git", "bin", "dist", "internal/tidy/testdata"}

// load reads a project. Binary files are left out, as are links.
func load(project fs.FS) (*tree, error) {
	t := &tree{project: project, fset: token.NewFileSet()}
	err := fs.WalkDir(project, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(outside, name):
			return fs.SkipDir
		case !entry.Type().IsRegular() || name == ".git": // which is a file in a second working tree
			return nil
		}
		data, err := fs.ReadFile(project, name)
		if err != nil {
			return err
		}
		if bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0 {
			t.texts = append(t.texts, text{name, data})
		}
		if path.Base(name) == "go.mod" {
			t.modules = append(t.modules, path.Dir(name))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, t.parse()
}

func (t *tree) parse() error {
	for _, x := range t.texts {
		if path.Ext(x.name) != ".go" || x.isTestdata() {
			continue
		}
		syntax, err := parser.ParseFile(t.fset, x.name, x.data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		t.files = append(t.files, &goFile{x, t.fset, syntax, t.moduleOf(x.name), ast.IsGenerated(syntax)})
	}
	return nil
}

// moduleOf returns the outermost folder with a go.mod above the file, the root apart: what lies below lab is measured
// as one.
func (t *tree) moduleOf(name string) string {
	module := "."
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if slices.Contains(t.modules, dir) {
			module = dir
		}
	}
	return module
}

// length returns how many lines the file has.
func (x text) length() int { return bytes.Count(x.data, []byte("\n")) }

func (x text) isTestdata() bool { return slices.Contains(strings.Split(x.name, "/"), "testdata") }

func (f *goFile) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// counted tells whether the file falls under the size budgets.
func (f *goFile) counted() bool { return !f.isTest() && !f.generated }

func (f *goFile) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// lines returns how many lines the node covers, its first and last included.
func (f *goFile) lines(n ast.Node) int { return f.line(n.End()) - f.line(n.Pos()) + 1 }

// problem says what is wrong in a line of the file, and the remedy.
func (x text) problem(line int, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", x.name, line, fmt.Sprintf(format, args...))
}

// problem says what is wrong at a place of the file, and the remedy. No place is its first line.
func (f *goFile) problem(pos token.Pos, format string, args ...any) string {
	return f.text.problem(max(f.line(pos), 1), format, args...)
}

// imported returns the name that the file uses for an import path, "" where it does not import it.
func (f *goFile) imported(pkg string) string {
	for _, spec := range f.syntax.Imports {
		if strings.Trim(spec.Path.Value, `"`) != pkg {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(pkg)
	}
	return ""
}

// uses calls f for each use of a name of that package in the file, called or not.
func (f *goFile) uses(pkg string, found func(at token.Pos, name string)) {
	local := f.imported(pkg)
	if local == "" {
		return
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
				found(sel.Pos(), sel.Sel.Name)
			}
		}
		return true
	})
}
