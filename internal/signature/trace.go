// SPDX-License-Identifier: Apache-2.0

package signature

import "strings"

// A form is the shape in which one runtime reports its end.
type form struct {
	kind     Kind
	level    level
	literal  []string                                     // one of them is in the first line
	begins   func(lines []line, i int) bool               // whether line i is the first; nil: the literal says it all
	belongs  func(c *candidate, lines []line, i int) bool // whether line i belongs; nil: it is a single line
	complete func(c *candidate, lines []line)             // corrects kind, level and head when all lines are known
}

// forms are tried in order. Their functions look at a fixed number of lines around the one given, and no further.
var forms = []form{
	{GoPanic, crash, []string{"panic: "}, prefix("panic: "), goBelongs, nil},
	{GoFatal, crash, []string{"fatal error: ", "SIGQUIT: quit", "SIGABRT: abort", "runtime: "}, goFatalBegins, goBelongs, goFatal},
	{GoPanic, failure, []string{"panic serving ", "panic recovered", "ecovered from panic", "Observed a panic"}, nil, goBelongs, nil},
	{PythonTraceback, crash, []string{"Traceback (most recent call last)", `  File "`}, pythonBegins, pythonBelongs, pythonHead},
	{JavaException, crash, []string{`Exception in thread "`, "Exception: java."}, prefix(`Exception in thread "`, "Exception: java."), atBelongs, javaThread},
	{JavaException, crash, []string{"Terminating due to java.lang.", "Aborting due to java.lang."}, nil, nil, nil},
	{JavaException, crash, []string{"Error occurred during initialization of VM"}, nil, nextBelongs, lastHead},
	{Abort, crash, []string{"# A fatal error has been detected by the Java"}, nil, hashBelongs, hashHead},
	{JavaException, crash, []string{"# There is insufficient memory for the Java"}, nil, hashBelongs, nil},
	{NodeError, crash, []string{"FATAL ERROR: "}, prefix("FATAL ERROR: "), nil, nil},
	{NodeError, crash, []string{"js:", "ts:", "node:"}, nodeBegins, nodeBelongs, nodeHead},
	{NodeError, crash, []string{"error: Uncaught "}, prefix("error: Uncaught "), atBelongs, nil},
	{DotNet, crash, []string{"Unhandled exception. ", "Unhandled Exception: ", "Process terminated. ", "Fatal error. "}, dotNetBegins, atBelongs, dotNetHead},
	{Ruby, crash, []string{":in `", ":in '"}, rubyBegins, rubyBelongs, nil},
	{Rust, crash, []string{"panicked at ", "has overflowed its stack"}, prefix("thread '"), rustBelongs, rustHead},
	{PHP, crash, []string{"PHP Fatal error: ", "PHP Parse error: "}, nil, phpBelongs, nil},
	{PHP, crash, []string{"Fatal error: ", "Parse error: "}, phpBegins, phpBelongs, nil},
	{Sanitizer, crash, []string{"Sanitizer: ", ": runtime error: "}, sanitizerBegins, sanitizerBelongs, nil},
	{Message, crash, []string{"APPLICATION FAILED TO START"}, nil, springBelongs, springHead},
	{Message, crash, []string{"*** FATAL CONFIG FILE ERROR"}, nil, redisBelongs, lastHead},
	{Abort, crash, aborts, nil, abortBelongs, nil},
	{Abort, crash, signals, signalBegins, nil, signalKind},
	{Shell, crash, []string{"exec "}, execBegins, nil, nil},
	{NodeError, failure, []string{" at ", "\tat "}, frameBegins, atBelongs, stackKind},
}

// occurring returns the forms that a log can hold at all, by their literals: most logs hold hardly any.
func occurring(log string) []*form {
	var active []*form
	for i := range forms {
		for _, s := range forms[i].literal {
			if strings.Contains(log, s) {
				active = append(active, &forms[i])
				break
			}
		}
	}
	return active
}

// beginning returns the form of the block that begins at line i, nil when none does.
func beginning(active []*form, lines []line, i int) *form {
	body := lines[i].body
	if lines[i].level == info {
		return nil
	}
	for _, f := range active {
		if hasAny(body, f.literal) && (f.begins == nil || f.begins(lines, i)) {
			if _, ok := structured(body); ok {
				return nil // the block is inside a field
			}
			return f
		}
	}
	return nil
}

// trace returns the block of this form that begins at line i.
func (f *form) trace(lines []line, i int) candidate {
	c := candidate{kind: f.kind, level: f.level, own: []int{i}, head: i}
	if f.belongs != nil {
		c.grow(lines, f.belongs)
	}
	if f.complete != nil {
		f.complete(&c, lines)
	}
	return c
}

// maxForeign is how many lines of other origin may come between two of a block: other threads write too.
const maxForeign = 3

// grow adds the lines that belong, and the blank ones between them.
func (c *candidate) grow(lines []line, belongs func(*candidate, []line, int) bool) {
	foreign := 0
	var blank []int
	for i := c.last() + 1; i < len(lines) && foreign <= maxForeign; i++ {
		switch {
		case lines[i].used:
			return
		case lines[i].blank():
			if blank = append(blank, i); len(blank) > maxForeign {
				return
			}
		case belongs(c, lines, i):
			c.own = append(append(c.own, blank...), i)
			foreign, blank = 0, nil
		default:
			foreign++
		}
	}
}

func hasAny(s string, literals []string) bool {
	for _, l := range literals {
		if strings.Contains(s, l) {
			return true
		}
	}
	return false
}

// prefix makes the test whether a line begins with one of the literals.
func prefix(literals ...string) func([]line, int) bool {
	return func(lines []line, i int) bool { return begins(lines[i].body, literals...) }
}

func begins(s string, literals ...string) bool {
	for _, l := range literals {
		if strings.HasPrefix(s, l) {
			return true
		}
	}
	return false
}
