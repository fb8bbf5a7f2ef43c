// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// coverage is the page that says which causes are recognised, and what shows it.
const coverage = "docs/coverage.md"

// catalogue lists the causes that are known, a line each: number, name and, where it is not covered, why not. A line
// that begins with # names the family of those that follow.
//
//go:embed catalogue.tsv
var catalogue string

// A cause is one line of the catalogue.
type cause struct {
	family string // set on the first of a family
	number int
	name   string
	why    string // it is not covered; empty where it is
	shown  []fixture
}

// A fixture is a bundle that shows a cause: its comment says how it was obtained and of which causes.
type fixture struct {
	rule, path, origin string
}

// writeCoverage writes the page from the catalogue and the comments of all fixtures.
func writeCoverage(project *os.Root) error {
	causes, err := readCatalogue(catalogue)
	if err != nil {
		return err
	}
	counts, err := attach(project.FS(), causes)
	if err != nil {
		return err
	}
	return project.WriteFile(coverage, coveragePage(causes, counts), 0o644)
}

func readCatalogue(text string) ([]cause, error) {
	var causes []cause
	family := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "# "); ok {
			family = name
			continue
		}
		parts := strings.Split(line, "\t")
		number, err := strconv.Atoi(parts[0])
		if err != nil || len(parts) != 3 || number != len(causes)+1 {
			return nil, fmt.Errorf("catalogue: line %q is not the number %d, a name and a reason", line, len(causes)+1)
		}
		causes = append(causes, cause{family: family, number: number, name: parts[1], why: parts[2]})
		family = ""
	}
	return causes, nil
}

// A tally counts fixtures by how they were obtained.
type tally map[string]int

// attach reads the comments of the fixtures of all families and of the scenarios. A fixture without an origin is an
// error: who reads the page must know what is real.
func attach(project fs.FS, causes []cause) (tally, error) {
	counts := tally{}
	var errs []error
	names, err := fs.Glob(project, "internal/rules/*/testdata/*.txtar")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if path.Dir(path.Dir(name)) == "internal/rules/gen" {
			continue
		}
		data, err := fs.ReadFile(project, name)
		if err != nil {
			return nil, err
		}
		origin, rows, err := comment(string(txtar.Parse(data).Comment))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		counts[origin]++
		rule, _, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".txtar"), "-")
		for _, n := range rows {
			if n < 1 || n > len(causes) {
				errs = append(errs, fmt.Errorf("%s: there is no cause %d", name, n))
				continue
			}
			causes[n-1].shown = append(causes[n-1].shown, fixture{rule, name, origin})
		}
	}
	return counts, errors.Join(errs...)
}

// origins are the ways in which a fixture is obtained.
var origins = []string{"lab", "source", "hand"}

// comment reads "origin: lab" and "rows: 103, 104" of a fixture's comment.
func comment(text string) (origin string, rows []int, err error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "origin: "); ok {
			origin = strings.FieldsFunc(rest, func(r rune) bool { return r < 'a' || r > 'z' })[0]
		}
		if rest, ok := strings.CutPrefix(line, "rows: "); ok {
			if rows, err = numbers(rest); err != nil {
				return "", nil, fmt.Errorf("rows: %w", err)
			}
		}
	}
	if !slices.Contains(origins, origin) {
		return "", nil, fmt.Errorf("its comment must begin with origin: and one of %s", strings.Join(origins, ", "))
	}
	return origin, rows, nil
}

func numbers(list string) ([]int, error) {
	var all []int
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil {
			return nil, fmt.Errorf("%q is no number", strings.TrimSpace(field))
		}
		all = append(all, n)
	}
	return all, nil
}

func coveragePage(causes []cause, counts tally) []byte {
	covered := 0
	for i := range causes {
		if len(causes[i].shown) > 0 {
			covered++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- Written from the fixtures by make generate: change their comments. -->\n\n# What is recognised\n\n")
	fmt.Fprintf(&b, "%d of %d known causes are shown by a fixture. Of all fixtures, near misses included, %d are recorded from the lab's\n",
		covered, len(causes), counts["lab"])
	fmt.Fprintf(&b, "real Kubernetes, %d follow a line of the source that prints what they show, and %d are made by hand.\n", counts["source"], counts["hand"])
	for i := range causes {
		c := &causes[i]
		if c.family != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| # | cause | rule | fixture |\n|--:|---|---|---|\n", strings.ToUpper(c.family[:1])+c.family[1:])
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", c.number, c.name, c.rules(), c.proof())
	}
	return []byte(b.String())
}

// rules links the rules that recognise the cause.
func (c *cause) rules() string {
	var links []string
	for _, f := range c.shown {
		if link := fmt.Sprintf("[%s](rules/%s.md)", f.rule, f.rule); !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	return strings.Join(links, ", ")
}

// proof links the best fixture: one from the lab before any other. Without one it says why.
func (c *cause) proof() string {
	if len(c.shown) == 0 {
		return c.why
	}
	best := slices.MinFunc(c.shown, func(a, b fixture) int { return slices.Index(origins, a.origin) - slices.Index(origins, b.origin) })
	return fmt.Sprintf("[%s](../%s), %s", strings.TrimSuffix(path.Base(best.path), ".txtar"), best.path, best.origin)
}
