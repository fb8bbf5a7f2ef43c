// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/web"
)

// historyOptions are the flags of inquest history and its commands.
type historyOptions struct {
	database  string
	namespace string
	output    string // form, or file for export
	text      string
	limit     int
}

func (o *historyOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.database, "db", "", "where the history is: a `file`, or postgres://…; default is the only file in the folder where serve keeps its own")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "only what is in this namespace")
}

func (o *historyOptions) bindForm(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "text", "one of text, json, csv")
}

// Validate tells what is wrong with the command line.
func (o *historyOptions) Validate() error {
	if o.output != "text" && o.output != "json" && o.output != "csv" {
		return fmt.Errorf("unknown output %q, expected one of text, json, csv", o.output)
	}
	return nil
}

// filter is what is asked for.
func (o *historyOptions) filter() history.Filter {
	f := history.Filter{Text: o.text, Limit: o.limit}
	if o.namespace != "" {
		f.Namespaces, f.Named = []string{o.namespace}, true // whoever has the history may see all of it
	}
	return f
}

func (p *program) history() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Look into what serve has recorded",
		Long: `Look into what "serve" has recorded, also while it runs: list incidents, show
one, save its evidence as a bundle, or judge old evidence by the rules of today.
All but "migrate" only read.`,
		Example: p.examples(`  %[1]s history list
  %[1]s history show 5k3v
  %[1]s history export 5k3v -o case.zip
  %[1]s history rerun --since 168h`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noSuchCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(p.historyList(), p.historyShow(), p.historyExport(), p.historyRerun(), p.historyMigrate())
	return cmd
}

func (p *program) historyList() *cobra.Command {
	o := &historyOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List incidents, the latest first",
		Example: p.examples("  %[1]s history list -n shop\n  %[1]s history list --search 'oom web'\n  %[1]s history list -o csv --limit 1000 > incidents.csv"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(s *history.Store) error {
				page, err := s.Incidents(cmd.Context(), o.filter())
				if err != nil {
					return err
				}
				if o.output == "csv" {
					return report.CSV(p.Out, web.IncidentRows(page.Items))
				}
				return o.print(p, page.Items, func() error { return p.incidentTable(page.Items) })
			})
		},
	}
	o.bind(cmd.Flags())
	o.bindForm(cmd.Flags())
	cmd.Flags().StringVar(&o.text, "search", "", "only what has all these `words`, in names, messages or evidence")
	cmd.Flags().IntVar(&o.limit, "limit", 50, "how many, 1000 at most")
	return cmd
}

func (p *program) historyShow() *cobra.Command {
	o := &historyOptions{}
	cmd := &cobra.Command{
		Use:     "show INCIDENT",
		Short:   "Show an incident, its deaths, and when nothing was seen",
		Example: p.examples("  %[1]s history show 5k3v"),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.with(cmd.Context(), func(s *history.Store) error {
				in, err := o.find(cmd.Context(), s, args[0])
				if err != nil {
					return err
				}
				f := o.filter()
				f.Incident = in.ID
				page, err := s.Deaths(cmd.Context(), f)
				if err != nil {
					return err
				}
				if o.output == "csv" {
					return report.CSV(p.Out, web.DeathRows(page.Items))
				}
				all := shownIncident{in, page.Items, nil}
				if all.Gaps, err = s.Unseen(cmd.Context(), &in, time.Now(), f.Namespaces); err != nil {
					return err
				}
				return o.print(p, all, func() error { return p.incidentText(&all) })
			})
		},
	}
	o.bind(cmd.Flags())
	o.bindForm(cmd.Flags())
	cmd.Flags().IntVar(&o.limit, "limit", 50, "how many deaths, 1000 at most")
	return cmd
}

// with opens the history for reading.
func (o *historyOptions) with(ctx context.Context, do func(*history.Store) error) (err error) {
	if o.output != "" {
		if err := o.Validate(); err != nil {
			return err
		}
	}
	file, err := o.file()
	if err != nil {
		return err
	}
	s, err := history.Open(ctx, file, history.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return do(s)
}

// file is where the history is: as it was named, or the only one that serve made.
func (o *historyOptions) file() (string, error) {
	if o.database != "" {
		return o.database, nil
	}
	one, err := (&serveOptions{}).file("one")
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(one)
	all, err := filepath.Glob(filepath.Join(dir, "*.db"))
	switch {
	case err != nil:
		return "", err
	case len(all) == 0:
		return "", fmt.Errorf("there is no history in %s: inquest serve makes one, or name another with --db", dir)
	case len(all) > 1:
		return "", fmt.Errorf("there are several histories, name one with --db: %s", strings.Join(all, ", "))
	}
	return all[0], nil
}

// find returns the incident whose id begins so.
func (o *historyOptions) find(ctx context.Context, s *history.Store, prefix string) (history.Incident, error) {
	f := o.filter()
	if in, err := s.Incident(ctx, prefix, f.Namespaces); !errors.Is(err, history.ErrNotFound) {
		return in, err
	}
	var found []history.Incident
	for f.Limit = 1000; len(found) < 2; {
		page, err := s.Incidents(ctx, f)
		if err != nil {
			return history.Incident{}, err
		}
		for _, in := range page.Items {
			if strings.HasPrefix(in.ID, prefix) {
				found = append(found, in)
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	switch len(found) {
	case 0:
		return history.Incident{}, fmt.Errorf("no incident %q, %q lists them", prefix, "inquest history list")
	case 1:
		return found[0], nil
	}
	return history.Incident{}, fmt.Errorf("several incidents begin with %q: give more of it", prefix)
}

// print writes JSON, or what text writes.
func (o *historyOptions) print(p *program, all any, text func() error) error {
	if o.output == "text" {
		return text()
	}
	e := json.NewEncoder(p.Out)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

func (p *program) incidentTable(all []history.Incident) error {
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INCIDENT\tSTATE\tLAST\tDEATHS\tPODS\tRULE\tWHAT")
	for _, in := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s: %s\n", in.ID, in.State, in.Last.UTC().Format(time.RFC3339), in.Deaths, in.Pods,
			ruleOr(in.Rule), report.Escape(in.Thing.String()), report.Escape(in.Title))
	}
	return w.Flush()
}

func (p *program) deathTable(all []history.Death) error {
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DIED\tRUN\tNODE\tEXIT\tEVIDENCE\tWHY")
	for _, d := range all {
		why, kept := report.Escape(d.Missing), "none"
		if d.Verdict != nil {
			why = report.Escape(d.Verdict.Message)
		}
		if d.HasBundle {
			kept = "kept"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", when(d), report.Escape(d.Of.String()), report.Escape(d.Node), d.ExitCode, kept, why)
	}
	return w.Flush()
}

func when(d history.Death) string {
	at := d.Finished
	if at.IsZero() {
		at = d.Seen
	}
	return at.UTC().Format(time.RFC3339)
}

// ruleOr stands for the rule that none explained.
func ruleOr(rule string) string {
	if rule == "" {
		return "-"
	}
	return report.Escape(rule)
}
