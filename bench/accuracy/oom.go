// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

// A class is one kind of end that is for want of memory, or is easily taken for one.
type class struct {
	name string
	rows []int                   // of internal/rules/gen/catalogue.tsv: what a fixture of it says that it shows
	says func(chain []said) bool // whether the first cause, with what follows from it, tells of this class
}

// A said is one finding of the first cause.
type said struct {
	rule, message string
	code137       bool // it cites an end with exit code 137
	forGo         bool // it proposes GOMEMLIMIT
}

// twoCauses is the recording of two ends that have nothing to do with each other: either may be told first.
const twoCauses = "two-ends"

// diskEviction is the row of a fixture that is about pressure of another sort as well.
const diskEviction = 192

// none is the class of what is none of these.
const none = "none of these"

// classes are in the order in which they are asked: what is said of a setting stands before the kill that it brought about.
var classes = []class{
	{"false label", []int{43}, by("MEM005")},
	{"memory volume", []int{55}, by("MEM014")},
	{"runtime's init", []int{44}, by("MEM006", "CRT010")},
	{"JVM heap full", []int{51}, by("MEM011")},
	{"Node.js heap full", []int{53}, by("MEM012")},
	{"heap above the limit", []int{52}, by("MEM013")},
	{"child killed, main lives", []int{40}, by("MEM003")},
	{"child killed, main fails", []int{41}, by("MEM002")},
	{"child killed, main done", []int{42}, by("MEM004")},
	{"pod's limit", []int{45}, by("MEM007")},
	{"all pods' limit", []int{46}, by("MEM008")},
	{"node out of memory", []int{47}, func(chain []said) bool {
		return by("MEM009")(chain) || len(chain) == 1 && by("MEM010")(chain)
	}},
	{"Go without GOMEMLIMIT", []int{54}, func(chain []said) bool {
		return has(chain, func(f said) bool { return f.rule == "MEM001" && f.forGo })
	}},
	{"own limit", []int{39, 49, 57, 61, 62}, by("MEM001")},
	{"evicted for memory", []int{191}, func(chain []said) bool {
		return has(chain, func(f said) bool { return f.rule == "EVC001" && strings.Contains(f.message, "memory") })
	}},
	{"liveness, 137", []int{79}, func(chain []said) bool {
		return by("PRB001")(chain[:1]) && has(chain, func(f said) bool { return f.code137 })
	}},
	{"killed from the host", []int{86}, by("EXT007")},
}

// by tells whether one of the rules speaks.
func by(ids ...string) func([]said) bool {
	return func(chain []said) bool {
		return has(chain, func(f said) bool { return slices.Contains(ids, f.rule) })
	}
}

func has(chain []said, is func(said) bool) bool { return slices.ContainsFunc(chain, is) }

// A sample is one piece of evidence of which it is known what class it is.
type sample struct {
	name, is, told string
	what           string // the first cause, in a word
}

// A matrix counts samples by what they are and what they are told to be.
type matrix struct {
	samples []sample
}

// recordedAs are the recordings of the lab that are of a class, by the row of it. All others are none of these.
var recordedAs = map[string]int{
	"oom-limit": 39, "oom-limit-lowered": 39, "limit-lowered": 39, "oom-limit-default": 39, "oom-go": 54,
	"oom-child-exit": 41, "oom-child-zero": 42, "oom-false-label": 43, "oom-heap-jvm": 52, "oom-memory-volume": 55, "limit-below-init": 44,
	"jvm-exit-on-oom": 51, "jvm-heap-full": 51, "nodejs-heap-full": 53, "node-memory": 191,
	"liveness-grace": 79, "liveness-own-grace": 79, "liveness-path": 79, "host-kill": 86,
}

// sources are where samples are: of the fixtures those of rules about ends, because a rule about a node or about usage shows
// what leads to one.
var sources = []string{
	"bench/accuracy/recorded", "bench/accuracy/oom", "internal/rules/memory/testdata", "internal/rules/eviction/testdata",
	"internal/rules/probe/testdata", "internal/rules/exit/testdata",
}

// confuse diagnoses the recordings, the fixtures of rules that show a row of a class, and the samples made for this.
func confuse(root string) (matrix, error) {
	var m matrix
	for _, pattern := range sources {
		names, err := filepath.Glob(filepath.Join(root, pattern, "*.txtar"))
		if err != nil || len(names) == 0 {
			return m, fmt.Errorf("there is no sample in %s: %w", pattern, err)
		}
		for _, name := range names {
			is, err := classOf(pattern, name)
			if err != nil {
				return m, err
			}
			if is == "" {
				continue
			}
			s, err := ask(name)
			if err != nil {
				return m, fmt.Errorf("%s: %w", name, err)
			}
			s.is = is
			m.samples = append(m.samples, s)
		}
	}
	return m, nil
}

// classOf says which class a sample is of; "" for a fixture that shows something else, or whose evidence fits two classes alike: that
// one says so in its comment and names no row.
func classOf(pattern, name string) (string, error) {
	base := strings.TrimSuffix(filepath.Base(name), ".txtar")
	if pattern == "bench/accuracy/recorded" {
		if base == twoCauses {
			return "", nil
		}
		return named([]int{recordedAs[base]}, none), nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	var rows []int
	for line := range strings.Lines(string(txtar.Parse(data).Comment)) {
		list, ok := strings.CutPrefix(strings.TrimSpace(line), "rows: ")
		if !ok {
			continue
		}
		for n := range strings.SplitSeq(list, ",") {
			row, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
			rows = append(rows, row)
		}
	}
	switch {
	case pattern == "bench/accuracy/oom":
		return named(rows, none), nil
	case slices.Contains(rows, diskEviction):
		return "", nil
	}
	return named(rows, ""), nil
}

// named returns the name of the first class of one of the rows.
func named(rows []int, otherwise string) string {
	for _, c := range classes {
		if slices.ContainsFunc(rows, func(row int) bool { return slices.Contains(c.rows, row) }) {
			return c.name
		}
	}
	return otherwise
}

// ask diagnoses a sample and says which class its first cause tells of.
func ask(name string) (sample, error) {
	files, err := collect.OpenArchive(name)
	if err != nil {
		return sample{}, err
	}
	s, err := collect.Bundle{FS: files, Name: name}.Snapshot(context.Background(), evidence.Selection{})
	if err != nil {
		return sample{}, err
	}
	r := report.New(diagnosis.Examine(s, rules.All()))
	out := sample{name: strings.TrimSuffix(filepath.Base(name), ".txtar"), told: none, what: "nothing"}
	if len(r.Undetermined) > 0 {
		out.what = "undetermined"
	}
	if len(r.Causes) == 0 {
		return out, nil
	}
	chain := chainOf(r.Causes[:1])
	out.what = chain[0].rule + ": " + chain[0].message
	if i := slices.IndexFunc(classes, func(c class) bool { return c.says(chain) }); i >= 0 {
		out.told = classes[i].name
	}
	return out, nil
}

// chainOf returns what the causes say and what follows from them, the causes first.
func chainOf(causes []report.Cause) []said {
	var list []said
	for _, c := range causes {
		f := said{rule: c.Rule, message: c.Message}
		for _, fact := range c.Facts {
			f.code137 = f.code137 || strings.Contains(fact.Text, "exitCode 137")
		}
		for _, fix := range c.Fixes {
			f.forGo = f.forGo || strings.Contains(fix.Title, "GOMEMLIMIT")
		}
		list = append(append(list, f), chainOf(c.Leads)...)
	}
	return list
}

// of returns how many samples a class has, how many are told to be of it, and how many are both.
func (m matrix) of(name string) (is, told, both int) {
	for _, s := range m.samples {
		if s.is == name {
			is++
		}
		if s.told == name {
			told++
		}
		if s.is == name && s.told == name {
			both++
		}
	}
	return is, told, both
}

// overall returns precision and recall over all classes: of what is told to be of one, and of what is of one.
func (m matrix) overall() (precision, recall float64) {
	var is, told, both int
	for _, c := range classes {
		i, t, b := m.of(c.name)
		is, told, both = is+i, told+t, both+b
	}
	return percent(both, told), percent(both, is)
}

// show prints the matrix: a line a class, what it was taken for, and what was told wrong.
func (m matrix) show() {
	fmt.Println("ends for want of memory and what looks like them: samples, precision, recall, and what they were taken for")
	for _, name := range append(names(), none) {
		is, told, both := m.of(name)
		wrong := map[string]int{}
		for _, s := range m.samples {
			if s.is == name && s.told != name {
				wrong[s.told]++
			}
		}
		line := fmt.Sprintf("  %-25s %4d  %5.1f %%  %5.1f %%", name, is, percent(both, told), percent(both, is))
		if len(wrong) > 0 {
			line += fmt.Sprintf("  %v", wrong)
		}
		fmt.Println(line)
	}
	precision, recall := m.overall()
	fmt.Printf("  %-25s %4d  %5.1f %%  %5.1f %%\n", "all but none", len(m.samples), precision, recall)
	for _, s := range m.samples {
		if s.is != s.told {
			fmt.Println("  " + s.String())
		}
	}
}

func names() []string {
	var list []string
	for _, c := range classes {
		list = append(list, c.name)
	}
	return list
}

func (s sample) String() string {
	return fmt.Sprintf("WRONG  %s is %s, told %s by %s", s.name, s.is, s.told, s.what)
}
