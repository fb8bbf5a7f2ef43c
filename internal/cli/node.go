// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/record"
	"github.com/kubeinquest/inquest/internal/report"
)

// A view is one thing that inquest node shows.
type view struct {
	path string // what the agent is asked for
	only string // which entries of it the table is made of; empty: all
	show func(w io.Writer, entries []record.Entry, now time.Time)
}

// views are what inquest node shows, by name. The first is shown where none is named.
var (
	viewNames = []string{"containers", "attempts", "saturation"}
	views     = map[string]view{
		"containers": {collect.AgentRuns, "", containersTable},
		"attempts":   {collect.AgentRecord, "runs,gaps", attemptsTable},
		"saturation": {collect.AgentSaturation, "", saturationTable},
	}
)

func (p *program) node() *cobra.Command {
	a := newAsk()
	output := "text"
	cmd := &cobra.Command{
		Use:   "node NAME [" + strings.Join(viewNames, "|") + "]",
		Short: "Show what the agent of a node knows, without a shell on it",
		Long: `Show what the agent of a node knows, without a shell on it: the containers that
its runtime has, every attempt that is kept, or how much of the node is in use.
Why something died on it is what "why node/NAME" says.`,
		Example: p.examples(`  %[1]s node n1
  %[1]s node n1 attempts
  %[1]s node n1 saturation -o json`),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, v, err := p.viewOf(args)
			if err != nil {
				return err
			}
			if output != "text" && output != "json" {
				return fmt.Errorf("unknown output %q, expected one of text, json", output)
			}
			return p.showNode(cmd.Context(), a, name, v, output)
		},
	}
	a.config.AddFlags(cmd.Flags())
	usual(cmd.Flags())
	cmd.Flags().Lookup("namespace").Hidden = true // a node has none
	cmd.Flags().StringVarP(&output, "output", "o", "text", "one of text, json")
	return cmd
}

// viewOf reads the arguments: the name of a node, and what is to be shown of it.
func (p *program) viewOf(args []string) (node string, v view, err error) {
	if len(args) == 0 {
		return "", v, fmt.Errorf("name the node: %s node NAME", p.name)
	}
	if len(args) > 2 {
		return "", v, fmt.Errorf("unexpected argument %q, expected NAME and one of %s", args[2], strings.Join(viewNames, ", "))
	}
	kind, name, ok := strings.Cut(args[0], "/")
	if k, known := kindOf(kind); !ok {
		name = args[0]
	} else if !known || k.name != "Node" {
		name = ""
	}
	if name == "" || strings.Trim(name, ".") == "" || strings.ContainsAny(name, "/%") {
		return "", v, fmt.Errorf("%q is not the name of a node", args[0])
	}
	what := viewNames[0]
	if len(args) == 2 {
		what = args[1]
	}
	v, ok = views[what]
	if near, is := nearest(what, viewNames); !ok && is {
		return "", v, fmt.Errorf("unknown view %q, did you mean %q?", what, near)
	}
	if !ok {
		return "", v, fmt.Errorf("unknown view %q, expected one of %s", what, strings.Join(viewNames, ", "))
	}
	return name, v, nil
}

func (p *program) showNode(ctx context.Context, a *ask, name string, v view, output string) error {
	config, err := a.restConfig()
	if err != nil {
		return err
	}
	query := url.Values{}
	if output == "text" && v.only != "" {
		query.Set("what", v.only)
	}
	entries, err := collect.Cluster{Config: config}.AskAgent(ctx, name, v.path, query)
	if err != nil {
		return err
	}
	if output == "json" {
		text, err := json.MarshalIndent(struct {
			APIVersion string         `json:"apiVersion"`
			Kind       string         `json:"kind"`
			Items      []record.Entry `json:"items"`
		}{report.APIVersion, "NodeRecord", entries}, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Out, "%s\n", text)
		return err
	}
	v.show(p.Out, entries, time.Now())
	return p.gapsOf(entries)
}

// mostGaps are said, the latest; JSON has them all.
const mostGaps = 20

// gapsOf says on standard error what the agent missed, each thing once with how often.
func (p *program) gapsOf(entries []record.Entry) error {
	times := map[string]int{}
	var lines []string
	for _, e := range slices.Backward(entries) {
		if e.Gap == nil {
			continue
		}
		missed := ""
		if e.Gap.Count > 0 {
			missed = fmt.Sprintf(" (%d %s)", e.Gap.Count, e.Gap.Unit)
		}
		line := fmt.Sprintf("not seen of %s: %s: %s%s", e.Gap.About, e.Gap.What, e.Gap.Why, missed)
		if times[line]++; times[line] == 1 {
			lines = append(lines, line)
		}
	}
	for _, line := range slices.Backward(lines[:min(len(lines), mostGaps)]) {
		if n := times[line]; n > 1 {
			line += fmt.Sprintf(", %d times", n)
		}
		fmt.Fprintln(p.ErrOut, report.Escape(line))
	}
	if more := len(lines) - mostGaps; more > 0 {
		fmt.Fprintf(p.ErrOut, "and %d more gaps: -o json has them\n", more)
	}
	return nil
}
