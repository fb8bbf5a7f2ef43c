// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// variable is the name of the environment variable that tells a test program which mutant to be; 0 is none.
const variable = "INQUEST_MUTANT"

// noted is the name of the environment variable that names a file for the mutants that a run without one tells from it:
// those whose condition is asked and is not what the mutant makes it. No other can be noticed by that run.
const noted = "INQUEST_MUTANTS_NOTED"

// A mutant is one condition that is no longer asked.
type mutant struct {
	id    int
	at    token.Position
	text  string
	value bool // what it is instead
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d: %s is always %v", m.at.Filename, m.at.Line, m.text, m.value)
}

// switches is the file that a package gets: what its conditions are asked through.
const switches = `package %s

import (
	"fmt"
	"os"
	"sync"
)

var (
	mutantNow  = os.Getenv(%q)
	mutantsOut = os.Getenv(%q)
	mutantSeen sync.Map
)

func mutantOr(condition bool, yes, no string) bool {
	if mutantsOut != "" {
		mutantNote(map[bool]string{true: no, false: yes}[condition])
	}
	return mutantNow == yes || mutantNow != no && condition
}

func mutantNote(id string) {
	if _, seen := mutantSeen.LoadOrStore(id, true); seen {
		return
	}
	if f, err := os.OpenFile(mutantsOut, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(f, id)
		f.Close()
	}
}
`

// mutate writes the package's files with every condition asked through a switch into a folder, and returns the mutants
// and the overlay by which the go command takes those files.
func mutate(folder, pkg string) ([]mutant, string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, "", err
	}
	names, err := filepath.Glob(filepath.Join(pkg, "*.go"))
	if err != nil {
		return nil, "", err
	}
	var all []mutant
	replace := map[string]string{}
	put := func(original string, data []byte) error {
		absolute, err := filepath.Abs(original)
		if err != nil {
			return err
		}
		replace[absolute] = filepath.Join(folder, filepath.Base(original))
		return os.WriteFile(replace[absolute], data, 0o600)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, "", err
		}
		mutated, found, err := mutateFile(name, source, len(all)+1)
		if err != nil {
			return nil, "", err
		}
		all = append(all, found...)
		if err := put(name, mutated); err != nil {
			return nil, "", err
		}
	}
	if err := put(filepath.Join(pkg, "mutant_switches.go"), fmt.Appendf(nil, switches, filepath.Base(pkg), variable, noted)); err != nil {
		return nil, "", err
	}
	overlay, err := writeOverlay(folder, replace)
	return all, overlay, err
}

// A condition is an expression in the source, and what it is made instead.
type condition struct {
	expr    ast.Expr
	yes, no bool
}

func mutateFile(name string, source []byte, next int) ([]byte, []mutant, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, 0)
	if err != nil {
		return nil, nil, err
	}
	var found []mutant
	inserts := map[int]string{} // by offset; of nested conditions the outer one begins first and ends last
	for _, c := range conditions(file) {
		begin, end := fset.Position(c.expr.Pos()), fset.Position(c.expr.End())
		text := strings.Join(strings.Fields(string(source[begin.Offset:end.Offset])), " ")
		ids := map[bool]string{true: "-", false: "-"}
		for _, value := range []bool{true, false} {
			if value && c.yes || !value && c.no {
				ids[value] = fmt.Sprint(next)
				found = append(found, mutant{id: next, at: begin, text: text, value: value})
				next++
			}
		}
		inserts[begin.Offset] += "mutantOr("
		inserts[end.Offset] = fmt.Sprintf(", %q, %q)", ids[true], ids[false]) + inserts[end.Offset]
	}
	return splice(source, inserts), found, nil
}

// splice puts texts into a source at offsets.
func splice(source []byte, inserts map[int]string) []byte {
	var b bytes.Buffer
	for i := range len(source) + 1 {
		b.WriteString(inserts[i])
		if i < len(source) {
			b.WriteByte(source[i])
		}
	}
	return b.Bytes()
}

// conditions returns what is asked in functions: operands of && and ||, and the conditions of if and case.
func conditions(file *ast.File) []condition {
	var all []condition
	add := func(e ast.Expr, yes, no bool) {
		if i := slices.IndexFunc(all, func(c condition) bool { return c.expr == e }); i >= 0 {
			all[i].yes, all[i].no = all[i].yes || yes, all[i].no || no
			return
		}
		all = append(all, condition{e, yes, no})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			for _, operand := range operands(n) {
				add(operand, n.Op == token.LAND, n.Op == token.LOR)
			}
		case *ast.IfStmt:
			add(n.Cond, true, true)
		case *ast.SwitchStmt:
			for _, e := range cases(n) {
				add(e, true, true)
			}
		}
		return true
	})
	return all
}

// operands returns what && or || joins in an expression, save what is joined by the same operator itself.
func operands(e *ast.BinaryExpr) []ast.Expr {
	var list []ast.Expr
	if e.Op != token.LAND && e.Op != token.LOR {
		return nil
	}
	for _, operand := range []ast.Expr{e.X, e.Y} {
		if b, ok := operand.(*ast.BinaryExpr); !ok || b.Op != e.Op {
			list = append(list, operand)
		}
	}
	return list
}

// cases returns the conditions of a switch that has no tag.
func cases(s *ast.SwitchStmt) []ast.Expr {
	var list []ast.Expr
	for _, clause := range s.Body.List {
		if s.Tag == nil {
			list = append(list, clause.(*ast.CaseClause).List...)
		}
	}
	return list
}
