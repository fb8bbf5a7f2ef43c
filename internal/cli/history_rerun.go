// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/watch"
)

// rerunOptions are the flags of inquest history rerun.
type rerunOptions struct {
	historyOptions
	incident string
	rule     string
	since    time.Duration
	from     string
	exitCode bool
}

// Validate tells what is wrong with the command line.
func (o *rerunOptions) Validate() error {
	switch {
	case o.output == "csv":
		return errors.New("what would change is told as text or json")
	case o.since < 0:
		return fmt.Errorf("--since %s lies ahead: give how long ago, as 24h", o.since)
	case o.from != "" && (o.database != "" || o.namespace != "" || o.incident != "" || o.rule != "" || o.since != 0):
		return errors.New("--from is all of one incident: leave out --db, --namespace, --incident, --rule and --since")
	}
	return o.historyOptions.Validate()
}

func (p *program) historyRerun() *cobra.Command {
	o := &rerunOptions{}
	cmd := &cobra.Command{
		Use:   "rerun",
		Short: "Judge what was kept by the rules of today, and say what changes",
		Long: `Judge what was kept by the rules of today, and say which verdicts change: what
was said, and what is said now. It writes nothing: what was told, and the
incidents that deaths were grouped in by it, stay as they are.`,
		Example: p.examples(`  %[1]s history rerun
  %[1]s history rerun --incident 5k3v
  %[1]s history rerun --since 168h --rule MEM001 --exit-code
  %[1]s history rerun --from case.zip`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			if o.from != "" {
				return o.rerunExport(cmd.Context(), p)
			}
			return o.with(cmd.Context(), func(s *history.Store) error { return o.rerun(cmd.Context(), p, s) })
		},
	}
	o.bind(cmd.Flags())
	o.bindForm(cmd.Flags())
	cmd.Flags().StringVar(&o.incident, "incident", "", "only the deaths of this incident, by the beginning of its `id`")
	cmd.Flags().StringVar(&o.rule, "rule", "", "only the deaths that this `rule` was the cause of, as MEM001")
	cmd.Flags().DurationVar(&o.since, "since", 0, "only the deaths of so long until now, as 24h; default is all")
	cmd.Flags().StringVar(&o.from, "from", "", "judge what export wrote to this `file` instead of a history")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 1 when a verdict changes and with 2 when it could not be told")
	return cmd
}

func (o *rerunOptions) rerun(ctx context.Context, p *program, s *history.Store) error {
	f := o.filter()
	f.Rule = o.rule
	if o.incident != "" {
		in, err := o.find(ctx, s, o.incident)
		if err != nil {
			return err
		}
		f.Incident = in.ID
	}
	if o.since > 0 {
		f.From = time.Now().Add(-o.since)
	}
	var changed changes
	sum, err := s.Rerun(ctx, f, p.judge, changed.add)
	if err != nil {
		return err
	}
	return o.tell(p, sum, changed)
}

func (o *rerunOptions) rerunExport(ctx context.Context, p *program) error {
	e, err := readExport(o.from)
	if err != nil {
		return err
	}
	if e.index.Narrowed {
		fmt.Fprintln(p.ErrOut, "notice: "+report.Escape(o.from)+" lacks what its reader may not see, and verdicts may change for that alone")
	}
	var changed changes
	sum, err := e.index.Rerun(ctx, e.bundle, p.judge, changed.add)
	if err != nil {
		return err
	}
	return o.tell(p, sum, changed)
}

func (p *program) judge(ctx context.Context, d history.Death, files map[string][]byte) (history.Verdict, error) {
	return watch.Judge(ctx, p.rules, d, files)
}

type changes []history.Rerun

func (c *changes) add(r history.Rerun) error {
	*c = append(*c, r)
	return nil
}

// tell says what changed, and by which rules how often.
func (o *rerunOptions) tell(p *program, sum history.Again, changed changes) error {
	all := struct {
		history.Again
		Changes []history.Rerun
	}{sum, append(changes{}, changed...)}
	err := o.print(p, all, func() error {
		for i := range changed {
			r := &changed[i]
			fmt.Fprintf(p.Out, "%s at %s, incident %s\n  was  %s\n  now  %s\n", report.Escape(r.Death.Of.String()), when(r.Death), report.Escape(cmp.Or(r.Death.Incident, "-")),
				verdictLine(r.Death.Verdict), verdictLine(&r.Now))
		}
		times := map[string]int{}
		for i := range changed {
			times[ruleOr(changed[i].Death.Verdict.Rule)+" → "+ruleOr(changed[i].Now.Rule)]++
		}
		for _, from := range slices.Sorted(maps.Keys(times)) {
			fmt.Fprintf(p.Out, "%s: %s\n", from, report.Plural(times[from], "death"))
		}
		_, err := fmt.Fprintf(p.Out, "%s judged, %d changed, %d could not be judged\n", report.Plural(sum.Deaths, "death"), sum.Changed, sum.Failed)
		return err
	})
	switch {
	case err != nil || !o.exitCode:
		return err
	case sum.Changed > 0:
		return errFound
	case sum.Failed > 0:
		return fmt.Errorf("%s could not be judged", report.Plural(sum.Failed, "death"))
	}
	return nil
}

// verdictLine is a verdict as a line.
func verdictLine(v *history.Verdict) string {
	text := fmt.Sprintf("%s %s: %s", ruleOr(v.Rule), cmp.Or(v.Confidence, "undetermined"), v.Message)
	if v.Thing.Kind != "" {
		text += ", of " + v.Thing.String()
	}
	return report.Escape(text)
}
