// SPDX-License-Identifier: Apache-2.0

package tidy

import (
	"go/ast"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// documented checks that every package and every exported name says what it is for.
func documented(t *tree) []string {
	var problems []string
	first := map[string]*goFile{} // by folder and package: where its comment is missing
	has := map[string]bool{}
	for _, f := range t.files {
		key := path.Dir(f.name) + " " + strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if f.syntax.Doc != nil && describes(f) {
			if has[key] && !f.isTest() {
				problems = append(problems, f.problem(f.syntax.Package, "package %s has two comments; keep one", f.syntax.Name.Name))
			}
			has[key] = true
		}
		if first[key] == nil {
			first[key] = f
		}
		if !f.isTest() && !f.generated {
			problems = append(problems, undocumented(f)...)
		}
	}
	for key, f := range first {
		if !has[key] {
			problems = append(problems, f.problem(f.syntax.Package, "package %s has no comment that says what it is for; write one, best in doc.go", f.syntax.Name.Name))
		}
	}
	slices.Sort(problems)
	return problems
}

// describes tells whether a comment before the package clause is the package's, and not a licence or a build note.
func describes(f *goFile) bool {
	name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
	return name == "main" || strings.HasPrefix(f.syntax.Doc.Text(), "Package "+name+" ")
}

// undocumented finds exported names without a comment. A group of constants or variables may share one.
func undocumented(f *goFile) []string {
	var problems []string
	add := func(name *ast.Ident, comments ...*ast.CommentGroup) {
		if name.IsExported() && !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" }) {
			problems = append(problems, f.problem(name.Pos(), "%s has no comment; say why it is there and what a caller may rely on", name.Name))
		}
	}
	for _, decl := range f.syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if receiver := receiverOf(decl); receiver == nil || receiver.IsExported() {
				add(decl.Name, decl.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name, spec.Doc, spec.Comment, decl.Doc)
				case *ast.ValueSpec:
					add(spec.Names[0], spec.Doc, spec.Comment, decl.Doc)
				}
			}
		}
	}
	return problems
}

// receiverOf returns the name of a method's type, nil for a function.
func receiverOf(fn *ast.FuncDecl) *ast.Ident {
	if fn.Recv == nil {
		return nil
	}
	of := fn.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	name, _ := of.(*ast.Ident)
	return name
}

// link matches the target of a Markdown link that stays within the project.
var link = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)

// links checks that what the documents point to is there.
func links(t *tree) []string {
	var problems []string
	for _, x := range t.texts {
		if path.Ext(x.name) != ".md" || x.isTestdata() {
			continue
		}
		for i, line := range strings.Split(string(x.data), "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if _, err := fs.Stat(t.project, path.Join(path.Dir(x.name), m[1])); err != nil {
					problems = append(problems, x.problem(i+1, "the link to %s leads nowhere", m[1]))
				}
			}
		}
	}
	return problems
}
