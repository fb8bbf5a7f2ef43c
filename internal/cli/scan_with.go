// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/scan"
)

// others returns what the other tools found: those that are named are run, and of those that a file is named for, it is read.
func (o *scanOptions) others(ctx context.Context, args []string) ([]scan.Finding, error) {
	var all []scan.Finding
	for _, with := range o.with {
		name, file, reads := strings.Cut(with, "=")
		var data []byte
		var err error
		if reads {
			data, err = os.ReadFile(file)
		} else {
			data, err = runTool(ctx, name, args)
		}
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", name, err)
		}
		found, err := scan.Report(data)
		if err != nil {
			return nil, fmt.Errorf("read the report of %s: %w", name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// runTool runs a tool over paths and returns its report. Most end with a status when they find something, so only what they
// print counts.
func runTool(ctx context.Context, name string, paths []string) ([]byte, error) {
	at := slices.IndexFunc(scan.Tools, func(t scan.Tool) bool { return t.Name == name })
	command := scan.Tools[at].Command
	if _, err := exec.LookPath(command[0]); err != nil {
		return nil, fmt.Errorf("%s is not installed: install it, or name its report with --with %s=FILE", command[0], name)
	}
	if slices.Contains(paths, "-") {
		return nil, fmt.Errorf("%s cannot read standard input: name files, or its report with --with %s=FILE", name, name)
	}
	out, err := collect.Command(ctx, slices.Concat(command, paths))
	if len(out) == 0 && err == nil {
		err = errors.New("it printed no report")
	}
	if len(out) == 0 {
		return nil, err
	}
	return out, nil
}

// mostPriced bounds how many deaths of a history are counted.
const mostPriced = 100_000

// price tells of each finding what it has cost, by the history.
func (o *scanOptions) price(ctx context.Context, p *program, result *scan.Result) error {
	if o.history == "" {
		return nil
	}
	var deaths []scan.Death
	err := (&historyOptions{database: o.history}).with(ctx, func(s *history.Store) error {
		f := history.Filter{Limit: 1000}
		for len(deaths) < mostPriced {
			page, err := s.Deaths(ctx, f)
			if err != nil {
				return err
			}
			for i := range page.Items {
				deaths = append(deaths, p.priced(&page.Items[i]))
			}
			if f.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		return nil
	})
	if err == nil {
		result.Price(deaths)
	}
	return err
}

// priced is what a death costs: of which container of which workload it is, and the effect of the rule that explains it.
func (p *program) priced(d *history.Death) scan.Death {
	of := cmp.Or(d.Workload, d.Of.Object())
	death := scan.Death{Of: of.InContainer(d.Of.Container), Count: 1}
	for _, r := range p.rules {
		if d.Verdict != nil && r.ID == d.Verdict.Rule {
			death.Effects = []string{string(r.Effect)}
		}
	}
	return death
}
