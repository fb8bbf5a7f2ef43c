// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/scan"
)

// others returns what the other tools found: those that are named are run, and of those that a file is named for, it is read. What of it
// could not be had is told beside it.
func (o *scanOptions) others(ctx context.Context, args []string) (all []scan.Finding, failed []error) {
	for _, with := range o.with {
		name, file, reads := strings.Cut(with, "=")
		var reports [][]byte
		var err error
		if reads {
			reports = [][]byte{nil}
			reports[0], err = os.ReadFile(file)
		} else {
			reports, err = runTool(ctx, name, args)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("ask %s: %w", name, err))
			continue
		}
		for _, data := range reports {
			found, err := scan.Report(data)
			if err != nil {
				failed = append(failed, fmt.Errorf("read the report of %s: %w", name, err))
			}
			all = append(all, found...)
		}
	}
	return all, failed
}

// runTool runs a tool over paths and returns its reports.
func runTool(ctx context.Context, name string, paths []string) ([][]byte, error) {
	tool := scan.Tools[slices.IndexFunc(scan.Tools, func(t scan.Tool) bool { return t.Name == name })]
	if _, err := exec.LookPath(tool.Command[0]); err != nil {
		return nil, fmt.Errorf("%s is not installed: install it, or name its report with --with %s=FILE", tool.Command[0], name)
	}
	if slices.Contains(paths, "-") {
		return nil, fmt.Errorf("%s cannot read standard input: name files, or its report with --with %s=FILE", name, name)
	}
	isFolder := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	}
	var reports [][]byte
	for _, command := range tool.Commands(paths, isFolder) {
		out, err := collect.Command(ctx, command)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 && len(out) > 0 { // it found something
			err = nil
		}
		if err == nil && len(out) == 0 {
			err = errors.New("it printed no report")
		}
		if err != nil {
			return nil, err
		}
		reports = append(reports, out)
	}
	return reports, nil
}
