// SPDX-License-Identifier: Apache-2.0

// Tally reads what go test -json prints, amid other lines, and shows what a person wants of it: the line of each
// package and all that a failed test said. At the end it counts: "N passed, N failed". Files named as arguments are
// only counted.
package main

import (
	"bufio"
	"encoding/json"
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
	if err := t.run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed\n", t.passed, t.failed)
}

func (t *tally) run(files []string) error {
	if len(files) == 0 {
		return t.read(os.Stdin)
	}
	t.out = io.Discard
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := t.read(f); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		t.line(line)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line takes one line; what is no event is passed on.
func (t *tally) line(line string) {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(t.out, line)
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(t.out, e.Output)
	case "output":
		t.output(key, e)
	case "pass":
		if e.Test != "" {
			t.passed++
		}
		delete(t.said, key)
	case "fail":
		t.fail(key, e)
	}
}

func (t *tally) output(key string, e event) {
	if e.Test == "" {
		if e.Output != "PASS\n" {
			fmt.Fprint(t.out, e.Output)
		}
		return
	}
	if t.said[key] == nil {
		t.said[key] = &strings.Builder{}
	}
	t.said[key].WriteString(e.Output)
}

// fail counts a failed test; a package counts where none of its tests is to blame: it does not build, or it ended.
func (t *tally) fail(key string, e event) {
	if e.Test == "" && t.blamed[e.Package] {
		return
	}
	t.failed++
	t.blamed[e.Package] = true
	if said := t.said[key]; said != nil {
		fmt.Fprint(t.out, said)
	}
}
