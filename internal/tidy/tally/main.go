// SPDX-License-Identifier: Apache-2.0

// Tally reads what go test -json prints, amid other lines, and shows what a person wants of it: the line of each
// package and all that a failed test said. At the end it counts: "N passed, N failed". Files named as arguments are
// only counted.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// An event is a line of go test -json; see go doc test2json.
type event struct {
	Action, Package, Test, Output string
}

// A tally counts tests, and keeps what they said until it is known whether that matters.
type tally struct {
	passed, failed int
	said           map[string]*strings.Builder // by package and test
	blamed         map[string]bool             // packages with a failed test
	out            io.Writer
}

func main() {
	t := &tally{said: map[string]*strings.Builder{}, blamed: map[string]bool{}, out: os.Stdout}
	if err := t.run(os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	fmt.Println(t)
}

// String returns the closing line.
func (t *tally) String() string { return fmt.Sprintf("%d passed, %d failed", t.passed, t.failed) }

func (t *tally) run(files []string, stdin io.Reader) error {
	if len(files) == 0 {
		return t.read(stdin)
	}
	t.out = io.Discard
	for _, name := range files {
		if err := t.count(name); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) count(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(t.read(f), f.Close())
}

func (t *tally) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err := t.line(line); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line takes one line; what is no event is passed on.
func (t *tally) line(line string) error {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		return t.show(line)
	}
	switch e.Action {
	case "build-output":
		return t.show(e.Output)
	case "output":
		return t.output(e)
	case "pass":
		if e.Test != "" {
			t.passed++
		}
		delete(t.said, e.key())
	case "fail":
		return t.fail(e)
	}
	return nil
}

func (t *tally) show(text string) error {
	_, err := io.WriteString(t.out, text)
	return err
}

func (e event) key() string { return e.Package + " " + e.Test }

// output keeps what a test says, and shows what its package says of itself.
func (t *tally) output(e event) error {
	switch {
	case e.Test == "" && e.Output == "PASS\n":
		return nil
	case e.Test == "":
		return t.show(e.Output)
	case t.said[e.key()] == nil:
		t.said[e.key()] = &strings.Builder{}
	}
	t.said[e.key()].WriteString(e.Output)
	return nil
}

// fail counts a failed test; a package counts where none of its tests is to blame: it does not build, or it ended.
func (t *tally) fail(e event) error {
	if e.Test == "" && t.blamed[e.Package] {
		return nil
	}
	t.failed++
	t.blamed[e.Package] = true
	if said := t.said[e.key()]; said != nil {
		return t.show(said.String())
	}
	return nil
}
