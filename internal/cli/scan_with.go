// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/scan"
)

// toolTime is how long another tool may take.
const toolTime = 15 * time.Minute

// others returns what the other tools found: those that are named are run, and of those that a file is named for, it is read. What of it
// could not be had is told beside it.
func (o *scanOptions) others(ctx context.Context, args []string) (all []scan.Finding, failed []error) {
	for _, with := range o.with {
		name, file, reads := strings.Cut(with, "=")
		var reports [][]byte
		var asked error
		if reads {
			data, err := reportFile(file)
			if err != nil {
				failed = append(failed, fmt.Errorf("read the report of %s: %w", name, err))
				continue
			}
			reports = append(reports, data)
		} else if reports, asked = runTool(ctx, name, args, toolTime); asked != nil {
			failed = append(failed, fmt.Errorf("ask %s: %w", name, asked))
		}
		for _, data := range reports {
			found, err := scan.Report(name, data)
			if err != nil && asked == nil {
				failed = append(failed, fmt.Errorf("read the report of %s: %w", name, err))
			}
			all = append(all, found...)
		}
	}
	return all, failed
}

// reportFile reads the report of another tool, and no more of it than is read of one.
func reportFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(file, scan.MaxReport+1))
}

// runTool runs a tool over paths and returns its reports, and those that it wrote before it failed beside the error.
func runTool(ctx context.Context, name string, paths []string, patience time.Duration) ([][]byte, error) {
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
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it has not ended within %s: run it before, and name its report with --with %s=FILE", patience, name))
	defer cancel()
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
		if len(out) > 0 {
			reports = append(reports, out)
		}
		if err != nil {
			return reports, err
		}
	}
	return reports, nil
}
