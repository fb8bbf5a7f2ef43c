// SPDX-License-Identifier: Apache-2.0

package tidy

import (
	"bytes"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// vague are package names that say nothing of what is inside, so that everything ends up there.
var vague = []string{"util", "utils", "common", "types", "helper", "helpers", "misc", "base", "shared", "lib"}

// exemption matches the comments by which code is exempted from a linter.
var exemption = regexp.MustCompile(`^//\s*(nolint|lint:ignore|#nosec)`)

// bans checks what is not written at all.
func bans(t *tree) []string {
	var problems []string
	for _, f := range t.files {
		if first, _, _ := strings.Cut(string(f.data), "\n"); first != "// SPDX-License-Identifier: Apache-2.0" {
			problems = append(problems, f.problem(token.NoPos, "the first line must be // SPDX-License-Identifier: Apache-2.0"))
		}
		if name := strings.TrimSuffix(f.syntax.Name.Name, "_test"); slices.Contains(vague, name) {
			problems = append(problems, f.problem(f.syntax.Name.Pos(), "package %s says nothing of what is inside; name it after that", name))
		}
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if exemption.MatchString(c.Text) {
					problems = append(problems, f.problem(c.Pos(), "code is not exempted from the linter; mend it, or mend .golangci.yml for all"))
				}
			}
		}
		problems = append(problems, bannedFunctions(f)...)
		problems = append(problems, bannedCalls(f)...)
		problems = append(problems, unguarded(f)...)
	}
	return problems
}

// unguarded finds goroutines of the node agent in which a panic ends all of it.
func unguarded(f *goFile) []string {
	const guard = "internal/node/guard/"
	if !strings.HasPrefix(f.name, "internal/node/") || strings.HasPrefix(f.name, guard) || f.isTest() {
		return nil
	}
	var problems []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			problems = append(problems, f.problem(g.Pos(), "a panic in it ends the agent; start it by package guard"))
		}
		return true
	})
	for pkg, name := range map[string]string{"sync": "WaitGroup", "time": "AfterFunc"} {
		f.uses(pkg, func(at token.Pos, used string) {
			if used == name {
				problems = append(problems, f.problem(at, "a panic in what it runs ends the agent; use package guard"))
			}
		})
	}
	return problems
}

func bannedFunctions(f *goFile) []string {
	var problems []string
	for _, decl := range f.syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		switch {
		case !ok:
		case fn.Recv == nil && fn.Name.Name == "init":
			problems = append(problems, f.problem(fn.Pos(), "there is no init: importing a package must do nothing; call it from where it is needed"))
		case strings.HasSuffix(fn.Name.Name, "OrDie"):
			problems = append(problems, f.problem(fn.Pos(), "%s: return the error", fn.Name.Name))
		}
	}
	return problems
}

func bannedCalls(f *goFile) []string {
	var problems []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		on, _ := sel.X.(*ast.Ident)
		switch name := sel.Sel.Name; {
		case strings.HasSuffix(name, "OrDie"):
			problems = append(problems, f.problem(sel.Sel.Pos(), "%s ends the program; use what returns the error", name))
		case !f.isTest() || on == nil:
		case name == "Skip" || name == "Skipf" || name == "SkipNow":
			problems = append(problems, f.problem(sel.Sel.Pos(), "a skipped test proves nothing; fail with what is missing, or build the test under a tag"))
		case name == "Sleep" && on.Name == f.imported("time"):
			problems = append(problems, f.problem(sel.Sel.Pos(), "tests do not sleep; wait for what must happen, or inject the clock"))
		}
		return true
	})
	return problems
}

// A stain is text that does not belong into the project. Its pattern is looked for only where its hint is, which keeps
// large recordings cheap, and both are written so that this file does not match itself.
type stain struct {
	hints    []string
	pattern  *regexp.Regexp
	recorded bool // may stand in testdata: what a recorded log says is not the project's word
	remedy   string
}

var stains = []stain{
	{
		[]string{"TO" + "DO", "FIX" + "ME", "HA" + "CK", "XX" + "X"}, regexp.MustCompile(`\b(TO[D]O|FIX[M]E|HA[C]K|X[X]X)\b`), true,
		"a note for later; do it now, or write an issue",
	},
	{
		[]string{"/ro" + "ot/", "/wo" + "rk/", "/bash" + "_jobs", "/fa" + "rm/", ".lib" + "rary/"},
		regexp.MustCompile(`/wor[k]/(main|shared|steering)|/roo[t]/(team|wt|\.cache|lab|go/)|/tm[p]/bash_jobs|/far[m]/|\.librar[y]/`), false,
		"a path of one machine; take it from a flag, the environment or os.UserCacheDir",
	},
	{
		[]string{"gol" + "ang.org", "npm" + "js.org", "deb" + "ian.org", "pythonho" + "sted.org", "pyp" + "i.org"},
		regexp.MustCompile(`(proxy|sum)\.golan[g]\.org|registry\.npmj[s]\.org|deb\.debia[n]\.org|pythonhoste[d]\.org|pyp[i]\.org`), true,
		"the host of a package registry; leave it to the tool's own settings",
	},
}

// plainText checks every file that is not binary.
func plainText(t *tree) []string {
	var problems []string
	for _, x := range t.texts {
		if path.Ext(x.name) == ".sum" {
			continue
		}
		for _, s := range stains {
			if !s.recorded || !x.isTestdata() {
				problems = append(problems, s.on(x)...)
			}
		}
	}
	return problems
}

// on returns where the file is stained.
func (s stain) on(x text) []string {
	if !slices.ContainsFunc(s.hints, func(hint string) bool { return bytes.Contains(x.data, []byte(hint)) }) {
		return nil
	}
	var problems []string
	for i, line := range strings.Split(string(x.data), "\n") {
		if s.pattern.MatchString(line) {
			problems = append(problems, x.problem(i+1, "%s", s.remedy))
		}
	}
	return problems
}
