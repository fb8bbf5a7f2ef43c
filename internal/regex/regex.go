// SPDX-License-Identifier: Apache-2.0

// Package regex holds regular expressions that are compiled when they are first asked. A program has hundreds of them and a run asks few:
// to compile them all takes longer than most runs do.
package regex

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// An Expr is a regular expression of Go's syntax. Its methods are those of regexp.Regexp.
type Expr struct {
	text     string
	once     sync.Once
	compiled *regexp.Regexp
}

// inTest tells of a test, in which an expression that is wrong is to fail at once (as Go's own internal/lazyregexp has it).
var inTest = len(os.Args) > 0 && strings.HasSuffix(strings.TrimSuffix(os.Args[0], ".exe"), ".test")

// New returns an expression. One that cannot be compiled panics when it is asked, and in a test here.
func New(text string) *Expr {
	e := &Expr{text: text}
	if inTest {
		e.get()
	}
	return e
}

func (e *Expr) get() *regexp.Regexp {
	e.once.Do(func() { e.compiled = regexp.MustCompile(e.text) })
	return e.compiled
}

// String returns the text of the expression, which it does not compile.
func (e *Expr) String() string { return e.text }

// MatchString is that of regexp.Regexp.
func (e *Expr) MatchString(s string) bool { return e.get().MatchString(s) }

// Match is that of regexp.Regexp.
func (e *Expr) Match(b []byte) bool { return e.get().Match(b) }

// FindSubmatch is that of regexp.Regexp.
func (e *Expr) FindSubmatch(b []byte) [][]byte { return e.get().FindSubmatch(b) }

// FindAllSubmatch is that of regexp.Regexp.
func (e *Expr) FindAllSubmatch(b []byte, n int) [][][]byte { return e.get().FindAllSubmatch(b, n) }

// FindString is that of regexp.Regexp.
func (e *Expr) FindString(s string) string { return e.get().FindString(s) }

// FindStringSubmatch is that of regexp.Regexp.
func (e *Expr) FindStringSubmatch(s string) []string { return e.get().FindStringSubmatch(s) }

// FindAllString is that of regexp.Regexp.
func (e *Expr) FindAllString(s string, n int) []string { return e.get().FindAllString(s, n) }

// FindAllStringSubmatch is that of regexp.Regexp.
func (e *Expr) FindAllStringSubmatch(s string, n int) [][]string {
	return e.get().FindAllStringSubmatch(s, n)
}

// ReplaceAllString is that of regexp.Regexp.
func (e *Expr) ReplaceAllString(src, repl string) string { return e.get().ReplaceAllString(src, repl) }

// ReplaceAllStringFunc is that of regexp.Regexp.
func (e *Expr) ReplaceAllStringFunc(src string, repl func(string) string) string {
	return e.get().ReplaceAllStringFunc(src, repl)
}

// SubexpNames is that of regexp.Regexp.
func (e *Expr) SubexpNames() []string { return e.get().SubexpNames() }

// Split is that of regexp.Regexp.
func (e *Expr) Split(s string, n int) []string { return e.get().Split(s, n) }
