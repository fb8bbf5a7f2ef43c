// SPDX-License-Identifier: Apache-2.0

package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

const modulePath = "github.com/kubeinquest/inquest/"

// mayImport says which rooms of this module a room may import, tests apart: the data flows one way. A room that is
// not named here has no place in the flow yet.
var mayImport = map[string][]string{
	"evidence":  {},
	"regex":     {},
	"heap":      {},
	"rights":    {},
	"signature": {"regex"},
	"diagnosis": {"evidence"},
	"family":    {"diagnosis", "evidence", "regex", "rights", "signature"},
	"rules":     {"diagnosis", "family"},
	"record":    {"evidence"},
	"hostlog":   {"evidence", "regex"},
	"journal":   {},
	"node":      {"evidence", "hostlog", "journal", "record", "node"},
	"collect":   {"diagnosis", "evidence", "hostlog", "record", "regex", "signature"},
	"history":   {"evidence"},
	"report":    {"diagnosis", "evidence", "regex"},
	"advise":    {"diagnosis", "evidence", "record", "regex", "rights"},
	"ruletest":  {"collect", "diagnosis", "evidence", "report"},
	"edit":      {},
	"remedy":    {"diagnosis", "edit", "evidence", "report"},
	"gen":       {"diagnosis", "evidence", "rules"},
	"tidy":      {},
	"bench":     {"advise", "collect", "diagnosis", "evidence", "history", "report", "rules", "signature", "node", "record", "watch", "e2e"},
	"lead":      {},
	"scan":      {"collect", "diagnosis", "evidence", "report"},
	"watch":     {"collect", "diagnosis", "evidence", "history", "report"},
	"tell":      {"collect", "evidence", "history", "regex", "report", "watch"},
	"web":       {"collect", "diagnosis", "evidence", "history", "record", "regex", "report", "signature"},
	"cli":       {"advise", "collect", "diagnosis", "evidence", "heap", "history", "lead", "record", "remedy", "report", "rules", "scan", "signature", "tell", "watch", "web"},
	"cmd":       {"cli", "node"},
	"e2e":       {"advise", "cli", "collect", "diagnosis", "evidence", "record", "remedy", "report", "rules", "e2e"},
}

// roomOf names the room that a file or a package lies in, by its path from the root; "" outside all rooms.
func roomOf(name string) string {
	parts := strings.Split(name, "/")
	switch {
	case parts[0] != "internal":
		return parts[0]
	case strings.HasPrefix(name, "internal/diagnosis/ruletest"):
		return "ruletest"
	case strings.HasPrefix(name, "internal/rules/gen"):
		return "gen"
	case len(parts) > 2 && parts[1] == "rules" && !strings.HasSuffix(parts[2], ".go"):
		return "family"
	}
	return parts[1]
}

// imports checks the direction of imports in the main module.
func imports(t *tree) []string {
	var problems []string
	for _, f := range t.files {
		if f.module != "." {
			continue
		}
		from := roomOf(f.name)
		allowed, known := mayImport[from]
		if !known {
			problems = append(problems, f.problem(f.syntax.Package, "room %s has no place in the flow of imports; give it a line in mayImport", from))
			continue
		}
		for _, spec := range f.syntax.Imports {
			pkg, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), modulePath)
			if to := roomOf(pkg); ours && !permitted(f, from, to, allowed) {
				problems = append(problems, f.problem(spec.Pos(), "%s must not import %s; move what it needs to where both may look", from, to))
			}
		}
	}
	return problems
}

// permitted: tests may import whatever helps them, but programs and their command lines only from their own rooms.
func permitted(f *goFile, from, to string, allowed []string) bool {
	if from == to && from != "family" || slices.Contains(allowed, to) {
		return true
	}
	return f.isTest() && to != "cli" && to != "cmd"
}

// pure are the rooms that are functions of their arguments: the same evidence gives the same report, byte for byte.
var pure = []string{"evidence", "diagnosis", "family", "rules", "signature", "report", "advise", "rights"}

// impure are packages that reach outside, with what to do instead.
var impure = map[string]string{
	"k8s.io/client-go":               "collect asks the cluster",
	"k8s.io/kubectl":                 "cli is the place of kubectl's habits",
	"k8s.io/cli-runtime":             "cli is the place of kubectl's habits",
	"sigs.k8s.io/controller-runtime": "collect asks the cluster",
	"net/http":                       "collect asks the cluster",
	"os":                             "take a value or an io.Writer",
	"flag":                           "take a value",
	"log":                            "return what there is to say",
	"math/rand":                      "the same evidence must give the same report",
	"crypto/rand":                    "the same evidence must give the same report",
}

// clocks are what makes the answer depend on the machine, by package. Tests may set the time zone, and print.
var clocks = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Local", "LoadLocation"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// purity checks that the pure rooms ask neither the clock nor the machine, nor the network.
func purity(t *tree) []string {
	var problems []string
	for _, f := range t.files {
		if f.module != "." || !slices.Contains(pure, roomOf(f.name)) {
			continue
		}
		if !f.isTest() {
			problems = append(problems, reachesOut(f)...)
		}
		problems = append(problems, depends(f)...)
	}
	slices.Sort(problems)
	return problems
}

func reachesOut(f *goFile) []string {
	var problems []string
	for _, spec := range f.syntax.Imports {
		pkg := strings.Trim(spec.Path.Value, `"`)
		for banned, instead := range impure {
			if pkg == banned || strings.HasPrefix(pkg, banned+"/") {
				problems = append(problems, f.problem(spec.Pos(), "%s must not import %s: %s", roomOf(f.name), pkg, instead))
			}
		}
	}
	return problems
}

// depends finds what makes the answer depend on the machine.
func depends(f *goFile) []string {
	var problems []string
	for pkg, names := range clocks {
		f.uses(pkg, func(at token.Pos, name string) {
			if slices.Contains(names, name) && !(f.isTest() && (pkg == "fmt" || name == "Local" || name == "LoadLocation")) {
				problems = append(problems, f.problem(at, "%s.%s depends on the machine; the only clock is Snapshot.Taken, the only output is returned", pkg, name))
			}
		})
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) > 0 {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Local" {
			problems = append(problems, f.problem(sel.Sel.Pos(), "Local depends on the machine's time zone; use UTC"))
		}
		return true
	})
	return problems
}

// families checks that every package of rules is listed in internal/rules/all.go.
func families(t *tree) []string {
	listed := map[string]bool{}
	declared := map[string]token.Pos{}
	var order []*goFile
	for _, f := range t.files {
		if f.name == "internal/rules/all.go" {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Rules" {
					listed[fmt.Sprint(sel.X)] = true
				}
				return true
			})
		}
		if pos := declaresRules(f); pos.IsValid() {
			declared[f.syntax.Name.Name] = pos
			order = append(order, f)
		}
	}
	var problems []string
	for _, f := range order {
		if name := f.syntax.Name.Name; !listed[name] {
			problems = append(problems, f.problem(declared[name], "family %s is missing from internal/rules/all.go; add %s.Rules there", name, name))
		}
	}
	return problems
}

// declaresRules returns where a file of a family declares its list of rules.
func declaresRules(f *goFile) token.Pos {
	if roomOf(f.name) == "family" && !f.isTest() {
		for _, decl := range f.syntax.Decls {
			for _, spec := range specsOf(decl, token.VAR) {
				if v, ok := spec.(*ast.ValueSpec); ok && v.Names[0].Name == "Rules" {
					return v.Pos()
				}
			}
		}
	}
	return token.NoPos
}

func specsOf(decl ast.Decl, tok token.Token) []ast.Spec {
	if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == tok {
		return gen.Specs
	}
	return nil
}
