// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
	"github.com/kubeinquest/inquest/internal/report"
)

// A view is one thing that inquest node shows.
type view struct {
	path string // what the agent is asked for
	show func(w io.Writer, entries []record.Entry, now time.Time)
}

// views are what inquest node shows, by name. The first is shown where none is named.
var (
	viewNames = []string{"containers", "attempts", "saturation"}
	views     = map[string]view{
		"containers": {collect.AgentRuns, func(w io.Writer, entries []record.Entry, now time.Time) { runTable(w, newest(entries), now) }},
		"attempts":   {collect.AgentRecord, runTable},
		"saturation": {collect.AgentSaturation, saturationTable},
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
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			what := viewNames[0]
			if len(args) == 2 {
				what = args[1]
			}
			if _, ok := views[what]; !ok {
				return fmt.Errorf("unknown view %q, expected one of %s", what, strings.Join(viewNames, ", "))
			}
			if output != "text" && output != "json" {
				return fmt.Errorf("unknown output %q, expected one of text, json", output)
			}
			return p.showNode(cmd.Context(), a, strings.TrimPrefix(args[0], "node/"), views[what], output)
		},
	}
	a.config.AddFlags(cmd.Flags())
	usual(cmd.Flags())
	cmd.Flags().Lookup("namespace").Hidden = true // a node has none
	cmd.Flags().StringVarP(&output, "output", "o", "text", "one of text, json")
	return cmd
}

func (p *program) showNode(ctx context.Context, a *ask, name string, v view, output string) error {
	config, err := a.restConfig()
	if err != nil {
		return err
	}
	entries, err := collect.Cluster{Config: config}.AskAgent(ctx, name, v.path, nil)
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
	w := tabwriter.NewWriter(p.Out, 0, 0, 3, ' ', 0)
	v.show(w, entries, time.Now())
	return errors.Join(w.Flush(), p.gapsOf(entries))
}

// gapsOf says on standard error what the agent missed.
func (p *program) gapsOf(entries []record.Entry) error {
	for _, e := range entries {
		if e.Gap != nil {
			missed := ""
			if e.Gap.Count > 0 {
				missed = fmt.Sprintf(" (%d %s)", e.Gap.Count, e.Gap.Unit)
			}
			if _, err := fmt.Fprintln(p.ErrOut, report.Escape(fmt.Sprintf("not seen of %s: %s: %s%s", e.Gap.About, e.Gap.What, e.Gap.Why, missed))); err != nil {
				return err
			}
		}
	}
	return nil
}

// newest keeps of each container its newest run.
func newest(entries []record.Entry) []record.Entry {
	latest := map[evidence.Ref]int{}
	for i, e := range entries {
		if e.Run == nil {
			continue
		}
		of := e.Run.Of.InAttempt(evidence.NoAttempt)
		if at, ok := latest[of]; !ok || entries[at].Run.Of.Attempt <= e.Run.Of.Attempt {
			latest[of] = i
		}
	}
	var list []record.Entry
	for _, i := range latest {
		list = append(list, entries[i])
	}
	return list
}

// runTable prints runs in order of their pods. Of several entries about one run the last counts.
func runTable(w io.Writer, entries []record.Entry, now time.Time) {
	last := map[string]*record.Run{}
	for _, e := range entries {
		if e.Run != nil {
			last[e.Run.ID+e.Run.Of.String()] = e.Run
		}
	}
	var runs []*record.Run
	for _, r := range last {
		runs = append(runs, r)
	}
	slices.SortFunc(runs, func(a, b *record.Run) int { return cmp.Or(a.Of.Compare(b.Of), a.Created.Compare(b.Created)) })
	fmt.Fprintln(w, "NAMESPACE\tPOD\tCONTAINER\tATTEMPT\tSTATE\tEXIT\tREASON\tSTARTED\tRAN\tLOG")
	for _, r := range runs {
		exit, reason, ran := "", r.Reason, "-"
		if r.State == record.Exited {
			exit = strconv.Itoa(r.ExitCode)
		}
		if !r.Started.IsZero() && !r.Finished.IsZero() {
			ran = duration.HumanDuration(r.Finished.Sub(r.Started))
		}
		row := []string{r.Of.Namespace, r.Of.Name, r.Of.Container, strconv.Itoa(r.Of.Attempt), r.State, exit, reason, ago(r.Started, now), ran, map[bool]string{true: "kept", false: "-"}[r.Log]}
		printRow(w, row)
	}
}

// ago tells how long ago something was.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return duration.HumanDuration(now.Sub(at)) + " ago"
}

// saturationTable prints how much of each resource is in use.
func saturationTable(w io.Writer, entries []record.Entry, _ time.Time) {
	fmt.Fprintln(w, "RESOURCE\tABOUT\tNOW")
	for _, e := range entries {
		if e.Fact != nil {
			printRow(w, []string{e.Fact.Name, e.Fact.About.String(), e.Fact.Text})
		}
	}
}

func printRow(w io.Writer, cells []string) {
	for i := range cells {
		cells[i] = report.Escape(cmp.Or(cells[i], "-"))
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}
