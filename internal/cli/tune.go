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

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/report"
)

// adviceOutputs are the forms of advice, as -o takes them.
var adviceOutputs = []string{"text", "json", "yaml"}

// tuneOptions are the flags of the commands of inquest tune.
type tuneOptions struct {
	*ask
	history string
	output  string
	noColor bool
}

func (o *tuneOptions) bind(flags *pflag.FlagSet) {
	o.ask.bind(flags)
	flags.StringVar(&o.history, "history", "", "take what serve has recorded into account too: a `file`, or postgres://…")
	flags.StringVarP(&o.output, "output", "o", "text", "one of "+strings.Join(adviceOutputs, ", "))
	flags.BoolVar(&o.noColor, "no-color", false, "no colours; NO_COLOR in the environment does the same")
}

// Validate tells what is wrong with the command line.
func (o *tuneOptions) Validate(args []string) error {
	if !slices.Contains(adviceOutputs, o.output) {
		return fmt.Errorf("unknown output %q, expected one of %s", o.output, strings.Join(adviceOutputs, ", "))
	}
	return o.ask.Validate(args)
}

func (p *program) tune() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Say what probes, requests and limits should be, as measured",
		Long: `Say what should be set differently, from what was measured: starts that were
recorded are replayed against what is there and against what is proposed. It
only reads.`,
		Example: p.examples(`  %[1]s tune probes deploy/web -n shop
  %[1]s tune probes --from case.zip`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noSuchCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(p.tuneProbes(), p.tuneResources())
	return cmd
}

// A sight is what was seen of the workloads that are asked about: the present snapshots first, then those of the history, the latest first.
type sight struct {
	*tuneOptions
	seen  []*evidence.Snapshot
	about []evidence.Ref

	live    bool // what is there now was read of a cluster, with all that advice asks for
	cluster collect.Cluster
}

// more says where there may be more of a record.
func (s *sight) more() string {
	if s.history != "" {
		return ""
	}
	return "; what serve has recorded counts too: name it with --history"
}

// An adviser gives advice about what was seen.
type adviser func(context.Context, sight) ([]report.Advice, error)

// tuning makes a command of what gives advice.
func (p *program) tuning(cmd *cobra.Command, whole bool, advise adviser) *cobra.Command {
	o := &tuneOptions{ask: newAsk()}
	o.whole, o.services = whole, !whole
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args, err := o.takePipe(args)
		if err != nil {
			return err
		}
		if err := o.Validate(args); err != nil {
			return err
		}
		return o.run(cmd.Context(), p, args, advise)
	}
	o.bind(cmd.Flags())
	o.completion(cmd)
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(adviceOutputs, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // cannot happen: the flag was bound just before
	}
	return cmd
}

func (o *tuneOptions) run(ctx context.Context, p *program, args []string, advise adviser) error {
	selections, err := o.selections(p, args)
	if err != nil {
		return err
	}
	ctx, source, done, err := o.begin(ctx, p)
	if err != nil {
		return err
	}
	defer done()
	seen, err := o.look(ctx, p, source, selections)
	if err != nil {
		return o.late(ctx, err)
	}
	seen.cluster, _ = source.(collect.Cluster)
	if len(seen.seen) == 0 {
		return fmt.Errorf("the history %s has no death of it whose evidence was kept", o.history)
	}
	all, err := advise(ctx, seen)
	if err != nil {
		return o.late(ctx, err)
	}
	done()
	if len(all) == 0 {
		return errors.New("no container was found that has run, so nothing was measured: name a workload whose pods have started, or another namespace with -n")
	}
	for i := range all {
		remedy.OwnFix(seen.seen[0], all[i].Fix)
	}
	shown, err := o.render(p, all)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(p.Out, shown); err != nil {
		return fmt.Errorf("write the advice: %w", err)
	}
	return nil
}

// look takes the snapshots. Where there is a history, a cluster that cannot be asked is no reason to stop.
func (o *tuneOptions) look(ctx context.Context, p *program, source diagnosis.Source, selections []evidence.Selection) (sight, error) {
	all := sight{tuneOptions: o}
	for _, sel := range selections {
		sel.NoLogs = sel.NoLogs || !o.whole // what probes are to be is not in them
		s, err := source.Snapshot(ctx, sel)
		switch {
		case err == nil:
			all.seen, all.live = append(all.seen, s), o.from == ""
			all.about = append(all.about, askedOf(s)...)
		case o.history == "" || sel.Ref == evidence.Cluster:
			return all, err
		default:
			fmt.Fprintln(p.ErrOut, "notice: only the history is looked at: "+report.Escape(oneLine(err)))
			all.about = append(all.about, sel.Ref)
		}
	}
	if o.history == "" {
		return all, nil
	}
	recalled, err := o.recall(ctx, all.about)
	all.seen = append(all.seen, recalled...)
	return all, err
}

// askedOf are the workloads that a snapshot is about: the one that was named or owns the pod that was, or all in a namespace, on a
// node or in the cluster.
func askedOf(s *evidence.Snapshot) (list []evidence.Ref) {
	var pods []*evidence.Pod
	switch in := s.Subject; in.Kind {
	case "":
		pods = evidence.List[*evidence.Pod](s)
	case "Namespace", "Node":
		pods = evidence.List[*evidence.Pod](s, in)
	default:
		return []evidence.Ref{s.TopOwner(in)}
	}
	known := map[evidence.Ref]bool{}
	for _, pod := range pods {
		if top := s.TopOwner(evidence.RefOf(pod)); !known[top] {
			known[top], list = true, append(list, top)
		}
	}
	return list
}

func (o *tuneOptions) render(p *program, all []report.Advice) (string, error) {
	var data []byte
	var err error
	switch o.output {
	case "json":
		data, err = report.AdviceJSON(all)
	case "yaml":
		data, err = report.AdviceYAML(all)
	default:
		return report.AdviceText(all, report.Options{Width: columns(p.Out), Color: colored(p.Out, o.noColor), Kubectl: o.kubectl()}), nil
	}
	return string(data), err
}
