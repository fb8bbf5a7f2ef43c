// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"slices"
	"strings"
)

// A Tool is another scanner that this program can run.
type Tool struct {
	Name    string
	Command []string // the paths that are scanned follow
	Single  bool     // it takes one path a run
	File    string   // the option before a path that is a file, where it needs one
	Folder  string   // and before one that is a folder
}

// Tools are the scanners that are known by name. Each ends with 0, or with 1 when it finds something.
var Tools = []Tool{
	{Name: "trivy", Command: []string{"trivy", "config", "--quiet", "--format", "json"}, Single: true},
	{Name: "checkov", Command: []string{"checkov", "--compact", "--quiet", "--output", "json"}, Single: true, File: "--file", Folder: "--directory"},
	{Name: "semgrep", Command: []string{"semgrep", "scan", "--quiet", "--json"}},
	{Name: "eslint", Command: []string{"eslint", "--format", "json"}},
	{Name: "kube-linter", Command: []string{"kube-linter", "lint", "--format", "json"}},
}

// Commands are the command lines that scan paths.
func (t Tool) Commands(paths []string, isFolder func(path string) bool) [][]string {
	var each [][]string
	for _, path := range paths {
		option := t.File
		if isFolder(path) {
			option = t.Folder
		}
		if strings.HasPrefix(path, "-") { // a path is no option
			path = "./" + path
		}
		if option == "" {
			each = append(each, []string{path})
		} else {
			each = append(each, []string{option, path})
		}
	}
	if !t.Single {
		return [][]string{slices.Concat(t.Command, slices.Concat(each...))}
	}
	for i := range each {
		each[i] = slices.Concat(t.Command, each[i])
	}
	return each
}

// notAll is the error of a report that names what its tool could not check. What went wrong there is for the tool to say: it may quote the
// file.
func notAll(things []string) error {
	switch len(things) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("it could not check %s: see what it says itself", things[0])
	}
	return fmt.Errorf("it could not check %s and %d more: see what it says itself", things[0], len(things)-1)
}

// failures are what a run of SARIF says that went wrong.
func (run *sarifRun) failures() []string {
	var list []string
	for _, i := range run.Invocations {
		wrong := 0
		for _, note := range slices.Concat(i.Execution, i.Setting) {
			if note.Level == "error" {
				wrong++
			}
		}
		if i.Successful != nil && !*i.Successful {
			wrong = max(wrong, 1)
		}
		list = append(list, slices.Repeat([]string{"all that it was given"}, wrong)...)
	}
	return list
}
