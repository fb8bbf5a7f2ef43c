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

// isTool tells whether a name is one of theirs.
func isTool(name string) bool {
	return slices.ContainsFunc(Tools, func(t Tool) bool { return t.Name == name })
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
