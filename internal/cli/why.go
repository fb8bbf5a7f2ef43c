// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/report"
)

// whyOptions are the flags of inquest why.
type whyOptions struct {
	*ask
	output   string
	watch    bool
	noColor  bool
	exitCode bool
}

// outputs are the forms of a report, as -o takes them.
var outputs = []string{"text", "wide", "json", "yaml", "markdown", "name"}

func (o *whyOptions) bind(flags *pflag.FlagSet) {
	o.ask.bind(flags)
	flags.StringVarP(&o.output, "output", "o", "text", "one of "+strings.Join(outputs, ", "))
	flags.BoolVarP(&o.watch, "watch", "w", false, "stay and report every further death of the pod")
	flags.BoolVar(&o.noColor, "no-color", false, "no colours; NO_COLOR in the environment does the same")
	flags.BoolVar(&o.exitCode, "exit-code", false, "exit with 1 when causes are found and with 2 when it could not be told")
}

// Validate tells what is wrong with the command line.
func (o *whyOptions) Validate(args []string) error {
	if !slices.Contains(outputs, o.output) {
		return fmt.Errorf("unknown output %q, expected one of %s", o.output, strings.Join(outputs, ", "))
	}
	if o.watch && o.from != "" {
		return fmt.Errorf("nothing changes in %s: leave out --watch or --from", o.from)
	}
	return o.ask.Validate(args)
}

func (p *program) why() *cobra.Command {
	o := &whyOptions{ask: newAsk()}
	cmd := &cobra.Command{
		Use:   "why [TYPE/NAME | TYPE NAME | NAME ...]",
		Short: "Say why containers died or pods do not start",
		Long: `Say why containers died or pods do not start.

A name without a type is that of a pod. A workload, a node or a namespace stands
for its pods. Without names, everything in the namespace that is in trouble is
looked at. The flags of "kubectl options" that say which cluster to ask and as
whom work here too.`,
		Example: p.examples(`  %[1]s why web-0
  %[1]s why deploy/web -n shop -c app
  %[1]s why -A -o name
  %[1]s why control-plane
  %[1]s why -l app=web -o markdown
  %[1]s why --from case.zip
  kubectl describe pod web-0 | %[1]s why -`),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := o.takePipe(args)
			if err != nil {
				return err
			}
			if err := o.Validate(args); err != nil {
				return err
			}
			return o.run(cmd.Context(), p, args)
		},
	}
	o.bind(cmd.Flags())
	o.completion(cmd)
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // cannot happen: the flag was bound just before
	}
	return cmd
}

func (o *whyOptions) run(ctx context.Context, p *program, args []string) error {
	selections, err := o.selections(p, args)
	if err != nil {
		return err
	}
	if o.watch {
		return o.follow(ctx, p, selections)
	}
	found, err := o.answer(ctx, p, selections)
	if err == nil && o.exitCode && found {
		return errFound
	}
	return err
}

// answer prints the reports of the questions and tells whether there are causes. A question without an answer does not
// keep the others from theirs.
func (o *whyOptions) answer(ctx context.Context, p *program, selections []evidence.Selection) (found bool, err error) {
	ctx, source, done, err := o.begin(ctx, p)
	if err != nil {
		return false, err
	}
	defer done()
	var reports []report.Report
	var failed []error
	for _, sel := range selections {
		s, err := source.Snapshot(ctx, sel)
		if err != nil && ctx.Err() != nil {
			return false, o.late(ctx, err)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		r := report.New(diagnosis.Examine(s, p.rules))
		remedy.Own(s, r.Causes)
		found = found || len(r.Causes) > 0
		reports = append(reports, r)
	}
	done()
	if len(reports) == 0 {
		return false, errors.Join(failed...)
	}
	shown, err := o.render(p, reports)
	if err != nil {
		return false, err
	}
	if _, err := io.WriteString(p.Out, shown); err != nil {
		return false, fmt.Errorf("write the report: %w", err)
	}
	return found, errors.Join(failed...)
}

// follow answers once, and again at every further death of the pod.
func (o *whyOptions) follow(ctx context.Context, p *program, selections []evidence.Selection) error {
	pod, err := onePod(selections)
	if err != nil {
		return err
	}
	client, _, err := o.client()
	if err != nil {
		return err
	}
	answer := func() error {
		_, err := o.answer(ctx, p, selections)
		return err
	}
	deaths := &deathWatch{container: o.container}
	deaths.begin(ctx, client, pod) // before the first answer, so that none is lost in between
	if err := answer(); err != nil {
		return err
	}
	return deaths.follow(ctx, client, pod, func() error {
		if _, err := io.WriteString(p.Out, between[o.output]); err != nil {
			return err
		}
		return answer()
	})
}

// between is what separates one report of --watch from the next. JSON needs nothing.
var between = map[string]string{"text": "\n", "wide": "\n", "yaml": "---\n", "markdown": "\n---\n\n"}

func (o *whyOptions) render(p *program, reports []report.Report) (string, error) {
	var data []byte
	var err error
	switch o.output {
	case "json":
		data, err = report.JSON(reports)
	case "yaml":
		data, err = report.YAML(reports)
	case "name":
		return report.Names(reports), nil
	case "markdown":
		return report.Markdown(reports, o.kubectl()), nil
	default:
		return report.Text(reports, report.Options{
			Width: columns(p.Out), Color: colored(p.Out, o.noColor), Wide: o.output == "wide",
			Kubectl: o.kubectl(), Inquest: p.name,
		}), nil
	}
	return string(data), err
}
