// SPDX-License-Identifier: Apache-2.0

package tidy

import (
	"fmt"
	"go/ast"
	"go/scanner"
	"go/token"
	"slices"
	"strings"
)

// The budgets. They stand where the best code of this field is; nesting and the length of functions matter more than
// the length of files, so do not split what belongs together.
const (
	maxFile, medianFile         = 500, 120 // lines; the median of the main module
	maxFunction, medianFunction = 60, 12   // lines, signature and closing brace included
	maxNesting                  = 4
	maxRule, medianRule         = 150, 70 // lines of code in a file of a rule family, its rules' documents apart
	maxContract                 = 1950    // lines of code in evidence and diagnosis together
)

// medianFileOf is the median of modules that set servers up, which takes a few long lists of settings.
var medianFileOf = map[string]int{"lab": 160}

// sizes checks what has a greatest value.
func sizes(t *tree) []string {
	var problems []string
	for _, f := range t.files {
		if !f.counted() {
			continue
		}
		if n := f.length(); n > maxFile {
			problems = append(problems, f.problem(token.NoPos, "the file has %d lines, at most %d; part it by what its readers look for", n, maxFile))
		}
		if n := ruleCode(f); n > maxRule {
			problems = append(problems, f.problem(token.NoPos, "the rule file has %d lines of code, at most %d; it recognises more than one thing", n, maxRule))
		}
		for _, fn := range functions(f.syntax) {
			if n := f.lines(fn.node); n > maxFunction {
				problems = append(problems, f.problem(fn.node.Pos(), "%s has %d lines, at most %d; name its parts", fn.name, n, maxFunction))
			}
			if n := nesting(fn.body); n > maxNesting {
				problems = append(problems, f.problem(fn.node.Pos(), "%s nests %d deep, at most %d; return early or name the inner part", fn.name, n, maxNesting))
			}
		}
	}
	if n := contract(t); n > maxContract {
		problems = append(problems, fmt.Sprintf("internal: evidence and diagnosis have %d lines of code together, at most %d; the contract is what everybody reads", n, maxContract))
	}
	return problems
}

// medians checks what is typical, in each module.
func medians(t *tree) []string {
	var problems []string
	for _, module := range t.modules {
		var files, funcs, rules []int
		for _, f := range t.files {
			if f.module != module || !f.counted() {
				continue
			}
			files = append(files, f.length())
			for _, fn := range functions(f.syntax) {
				funcs = append(funcs, f.lines(fn.node))
			}
			if n := ruleCode(f); n > 0 {
				rules = append(rules, n)
			}
		}
		typical := medianFile
		if own := medianFileOf[module]; own > 0 {
			typical = own
		}
		for _, m := range []struct {
			of   string
			list []int
			most int
		}{{"file", files, typical}, {"function", funcs, medianFunction}, {"rule file", rules, medianRule}} {
			if n := median(m.list); n > m.most {
				problems = append(problems, fmt.Sprintf("module %s: the median %s has %d lines, at most %d; the newest ones are too long", module, m.of, n, m.most))
			}
		}
	}
	return problems
}

func median(list []int) int {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// contract counts the lines of code of evidence and diagnosis, the harness apart.
func contract(t *tree) int {
	n := 0
	for _, f := range t.files {
		if room := roomOf(f.name); f.module == "." && f.counted() && (room == "evidence" || room == "diagnosis") {
			n += len(codeLines(f.data))
		}
	}
	return n
}

// codeLines returns the lines that hold code: neither blank nor comment alone.
func codeLines(source []byte) map[int]bool {
	fset := token.NewFileSet()
	file := fset.AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	lines := map[int]bool{}
	for {
		pos, tok, lit := s.Scan()
		switch {
		case tok == token.EOF:
			return lines
		case tok == token.SEMICOLON && lit == "\n": // the scanner puts these in
			continue
		}
		first := file.Line(pos)
		for i := range strings.Count(lit, "\n") + 1 {
			lines[first+i] = true
		}
	}
}

// ruleCode counts the lines of code in a file of a rule family, without the rules' documents; 0 for other files and
// for the family's list.
func ruleCode(f *goFile) int {
	if roomOf(f.name) != "family" || !f.counted() || declaresRules(f).IsValid() {
		return 0
	}
	lines := codeLines(f.data)
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if field, ok := n.(*ast.KeyValueExpr); ok && fmt.Sprint(field.Key) == "Doc" {
			for i := range f.lines(field.Value) {
				delete(lines, f.line(field.Value.Pos())+i)
			}
		}
		return true
	})
	return len(lines)
}

// A function is a declared function or method, or a literal outside of any: the Run of a rule.
type function struct {
	name string
	node ast.Node
	body *ast.BlockStmt
}

func functions(file *ast.File) []function {
	var list []function
	ast.Inspect(file, func(n ast.Node) bool {
		switch fn := n.(type) {
		case *ast.FuncDecl:
			if fn.Body != nil {
				list = append(list, function{fn.Name.Name, fn, fn.Body})
			}
			return false
		case *ast.FuncLit:
			list = append(list, function{"the function literal", fn, fn.Body})
			return false
		}
		return true
	})
	return list
}

// nesting returns how deep control structures and function literals lie within each other. An else if lies as deep as
// its if.
func nesting(body *ast.BlockStmt) int {
	var above []ast.Node
	depth, deepest := 0, 0
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil {
			last := len(above) - 1
			if nests(above[last], above[:last]) {
				depth--
			}
			above = above[:last]
			return true
		}
		if nests(n, above) {
			depth++
			deepest = max(deepest, depth)
		}
		above = append(above, n)
		return true
	})
	return deepest
}

func nests(n ast.Node, above []ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		outer, ok := above[len(above)-1].(*ast.IfStmt)
		return !ok || outer.Else != ast.Stmt(n)
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt, *ast.FuncLit:
		return true
	}
	return false
}
