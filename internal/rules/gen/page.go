// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// pages is the folder of the rules' pages.
const pages = "docs/rules"

// A pageName is the name of a rule's page; other files in the folder are left alone.
var pageName = regexp.MustCompile(`^[A-Z]{3}[0-9]{3}\.md$`)

// scopes says what one run of a rule looks at.
var scopes = map[diagnosis.Scope]string{
	diagnosis.Attempt:   "each end of a container that needs explaining",
	diagnosis.Container: "each container",
	diagnosis.Pod:       "each pod",
	diagnosis.Claim:     "each volume claim",
	diagnosis.Workload:  "each workload",
	diagnosis.Node:      "each node",
	diagnosis.Cluster:   "the cluster",
}

var stages = map[diagnosis.Stage]string{
	diagnosis.Experimental: "experimental",
	diagnosis.Stable:       "stable",
	diagnosis.Retired:      "retired: it no longer runs, and its id is not given to another",
}

// page returns the page of a rule in Markdown.
func page(r *diagnosis.Rule) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- Written from the rule by make generate: change it there. -->\n\n# %s: %s\n\n| | |\n|---|---|\n", r.ID, r.Title)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, value)
		}
	}
	row("looks at", scopes[r.Scope])
	row("needs", spaced(r.Needs.String()))
	if r.Also != 0 {
		row("is surer with", spaced(r.Also.String()))
	}
	row("sees", string(r.Effect))
	var causes []string
	for _, e := range r.CausedBy {
		causes = append(causes, string(e))
	}
	row("may be brought about by", strings.Join(causes, ", "))
	row("stage", stages[r.Stage])
	fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(r.Doc))
	return []byte(b.String())
}

func spaced(list string) string { return strings.ReplaceAll(list, ",", ", ") }

// writePages writes the page of each rule, and removes those of rules that are gone.
func writePages(project *os.Root, all []*diagnosis.Rule) error {
	if err := project.MkdirAll(pages, 0o755); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, r := range all {
		wanted[r.ID+".md"] = true
		if err := project.WriteFile(path.Join(pages, r.ID+".md"), page(r), 0o644); err != nil {
			return err
		}
	}
	entries, err := fs.ReadDir(project.FS(), pages)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); pageName.MatchString(name) && !wanted[name] {
			if err := project.Remove(path.Join(pages, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
