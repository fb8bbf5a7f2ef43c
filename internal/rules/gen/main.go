// SPDX-License-Identifier: Apache-2.0

// Gen writes what surrounds a rule: the page of each rule in docs/rules, from the rule itself, the page of all causes
// that are recognised, from the fixtures, and the files that a new rule begins with.
//
//	gen pages
//	gen rule MEM009 memory 'Page cache pressure'
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/kubeinquest/inquest/internal/rules"
)

//go:generate go run . -root ../../.. pages

func main() {
	root := flag.String("root", ".", "the folder of the project")
	flag.Parse()
	if err := run(*root, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(root string, args []string) error {
	project, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "pages":
		err = errors.Join(writePages(project, rules.Everything()), writeCoverage(project))
	case len(args) == 4 && args[0] == "rule":
		err = start(project, draft{ID: args[1], Family: args[2], Title: args[3]})
	default:
		err = errors.New("expected: pages, or rule ID FAMILY TITLE")
	}
	return errors.Join(err, project.Close())
}
