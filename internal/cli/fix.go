// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/report"
)

// fixOptions are the flags of inquest fix.
type fixOptions struct {
	*ask
	proof
	number  int
	apply   bool
	yes     bool
	dryRun  string
	sources remedy.Sources
	output  string
	maxRisk string
	verify  bool
	noColor bool
}

// fixOutputs are the forms of a plan, as -o takes them.
var fixOutputs = []string{"text", "json", "yaml"}

// risks are those that --max-risk takes, in order.
var risks = []diagnosis.Risk{diagnosis.Advice, diagnosis.Restart, diagnosis.Evict, diagnosis.NodeRestart}

func (o *fixOptions) bind(flags *pflag.FlagSet) {
	o.ask.bind(flags)
	flags.IntVar(&o.number, "fix", 1, "which of the fixes, by the number that is shown")
	flags.BoolVar(&o.apply, "apply", false, "change the object, after asking, and watch whether it helped")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask before --apply or --undo")
	flags.StringVar(&o.dryRun, "dry-run", "server", "what is tried before: `server or client`, which reads for the diagnosis, has the API server try nothing, and cannot be applied")
	flags.StringVar(&o.sources.Dir, "output-dir", "", "write the fix into this `folder`: the changed file of --source or --values, else a patch as Kustomize takes it")
	flags.StringVar(&o.sources.Checkout, "source", "", "a `folder` with a checkout of what is applied, in which the manifest is found; may be --output-dir")
	flags.StringVar(&o.sources.Chart, "chart", "", "the `folder` of the chart that is installed, rendered to find the value that decides")
	flags.StringArrayVar(&o.sources.Values, "values", nil, "a `file` of values that it is installed with; repeatable, in the order that Helm is given them")
	flags.StringVarP(&o.output, "output", "o", "text", "one of "+strings.Join(fixOutputs, ", "))
	flags.StringVar(&o.maxRisk, "max-risk", "restart", "the most that a fix may disturb: advice, restart, evict or node-restart")
	flags.BoolVar(&o.verify, "verify", true, "after --apply watch until the fix is proven or refuted")
	flags.BoolVar(&o.noColor, "no-color", false, "no colours; NO_COLOR in the environment does the same")
	o.proof.bind(flags)
}

// Validate tells what is wrong with the command line.
func (o *fixOptions) Validate(args []string) error {
	switch {
	case !slices.Contains(fixOutputs, o.output):
		return fmt.Errorf("unknown output %q, expected one of %s", o.output, strings.Join(fixOutputs, ", "))
	case o.dryRun != "server" && o.dryRun != "client":
		return fmt.Errorf("--dry-run %q is neither server nor client: a dry run is always made, and --apply changes the object", o.dryRun)
	case o.apply && o.dryRun == "client":
		return errors.New("nothing is applied that the API server has not tried: leave out --apply or --dry-run=client")
	case o.apply && o.from != "":
		return fmt.Errorf("nothing can be applied to %s: leave out --apply or --from", o.from)
	case (o.apply || o.undo != "") && o.output != "text":
		return fmt.Errorf("-o %s shows what would be done: leave out -o, or --apply and --undo", o.output)
	case o.undo != "" && (o.apply || len(args) > 0 || o.from != ""):
		return errors.New("--undo takes back one act by its id: give nothing to be fixed with it")
	case o.undo == "" && o.number < 1:
		return fmt.Errorf("--fix %d: fixes are numbered from 1", o.number)
	}
	if _, err := riskOf(o.maxRisk); err != nil {
		return err
	}
	if err := o.written(); err != nil {
		return err
	}
	return o.ask.Validate(args)
}

// written tells what is wrong with where the fix is written.
func (o *fixOptions) written() error {
	if o.sources.Dir == "" && (o.sources.Checkout != "" || o.sources.Chart != "" || len(o.sources.Values) > 0) {
		return errors.New("--source, --chart and --values say what is changed, and --output-dir where that is written: give it too")
	}
	if o.sources.Dir != "" && o.apply {
		return errors.New("--apply changes the cluster, and --output-dir writes files instead: give one of them")
	}
	if o.undoOnFailure && (!o.apply || !o.verify) {
		return errors.New("--undo-on-failure needs --apply and its watch: without these nothing tells that a fix has failed")
	}
	return nil
}

func riskOf(word string) (diagnosis.Risk, error) {
	for _, r := range risks {
		if r.String() == word {
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown risk %q, expected advice, restart, evict or node-restart", word)
}

func (p *program) fix() *cobra.Command {
	o := &fixOptions{ask: newAsk()}
	cmd := &cobra.Command{
		Use:   "fix TYPE/NAME",
		Short: "Show what a fix would change by a dry run, and apply it if asked",
		Long: `Show what a fix would change, and apply it if asked.

The thing is diagnosed as by why. Of its fixes one is shown: what the API server
would make of it in a dry run, what restarts, what would refute it, and what
undoes it. Nothing is changed without --apply, which asks first, changes one
object, leaves an Event on it and a line in the audit file, and then watches
whether it helped.

Exit status: 0 it was shown, or applied and proven; 1 it could not be, and
nothing was changed; 3 it was changed, and is not proven to have helped; 4 it is
not known whether it was changed, or could not be seen whether it has helped.`,
		Example: p.examples(`  %[1]s fix deploy/web -n shop
  %[1]s fix deploy/web -n shop --fix 2 --apply
  %[1]s fix deploy/web -n shop --apply --yes --undo-on-failure
  %[1]s fix deploy/web -n shop --output-dir overlays/fix
  %[1]s fix --undo 20261126t181500-x7k2m`),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := o.takePipe(args)
			if err != nil {
				return err
			}
			if err := o.Validate(args); err != nil {
				return err
			}
			if o.undo != "" {
				o.noFrom = true // an act is undone in a cluster
				return o.takeBack(cmd.Context(), p)
			}
			return o.run(cmd.Context(), p, args)
		},
	}
	o.bind(cmd.Flags())
	o.completion(cmd)
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(fixOutputs, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // cannot happen: the flag was bound just before
	}
	return cmd
}

func (o *fixOptions) run(ctx context.Context, p *program, args []string) error {
	selections, err := o.selections(p, args)
	if err != nil {
		return err
	}
	if len(selections) != 1 {
		return fmt.Errorf("%d things are named, and one is fixed at a time: name one", len(selections))
	}
	v, err := o.examine(ctx, p, selections[0])
	if err != nil {
		return err
	}
	plan, err := o.plan(ctx, v)
	if err != nil {
		return err
	}
	if o.apply {
		return o.carryOut(ctx, p, v, plan)
	}
	if err := o.toFolder(ctx, p, plan); err != nil {
		return err
	}
	return o.show(p, v, plan)
}

// Remedies are what a diagnosis saw, with the fixes that it proposes.
type remedies struct {
	snapshot *evidence.Snapshot
	subject  evidence.Ref
	fixes    []remedy.Proposal
}

// examine diagnoses a thing.
func (o *fixOptions) examine(ctx context.Context, p *program, sel evidence.Selection) (*remedies, error) {
	ctx, source, done, err := o.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := source.Snapshot(ctx, sel)
	if err != nil {
		return nil, o.late(ctx, err)
	}
	d := diagnosis.Examine(s, p.rules)
	v := &remedies{snapshot: s, subject: s.Subject}
	v.add(d.Causes)
	if len(v.fixes) > 0 {
		return v, nil
	}
	what := "everything that was asked about"
	if s.Subject.Kind != "" {
		what = s.Subject.String()
	}
	switch {
	case d.Asked == 0 && o.label != "":
		return nil, fmt.Errorf("no pod has the labels %s, so there is nothing to fix", o.label)
	case len(d.Causes) == 0 && len(d.Undetermined) > 0:
		return nil, fmt.Errorf("no cause was found for what is wrong with %s, so there is nothing to fix: %s says what would settle it", what, p.name+" why")
	case len(d.Causes) == 0 && d.Asked == 0:
		return nil, fmt.Errorf("no trouble was found in %s, none of whose pods is in any, so there is nothing to fix", what)
	case len(d.Causes) == 0:
		return nil, fmt.Errorf("no trouble was found in %s (%s looked at), so there is nothing to fix", what, report.Plural(d.Asked, "pod"))
	}
	return nil, fmt.Errorf("%s (%s) is known of %s, and no fix for it", d.Causes[0].Rule.ID, d.Causes[0].Message, what)
}

// add adds the fixes of causes, and after them those of what follows from them.
func (v *remedies) add(causes []diagnosis.Cause) {
	for i := range causes {
		f := &causes[i].Finding
		for _, fix := range f.Fixes {
			proposal := remedy.Proposal{Finding: f, Fix: fix, Lived: remedy.Lived(v.snapshot, f)}
			if fix.Patch != nil {
				proposal.Seen = v.snapshot.Object(fix.Patch.Target)
			}
			if !slices.ContainsFunc(v.fixes, func(p remedy.Proposal) bool { return alike(&p.Fix, &fix) }) { // each pod of a workload has it
				v.fixes = append(v.fixes, proposal)
			}
		}
	}
	for i := range causes {
		v.add(causes[i].Leads)
	}
}

// alike tells whether two fixes are the same act.
func alike(a, b *diagnosis.Fix) bool {
	if a.Patch != nil && b.Patch != nil {
		return *a.Patch == *b.Patch
	}
	return a.Patch == nil && b.Patch == nil && a.Title == b.Title && a.Command == b.Command
}

// plan plans the fix that was chosen.
func (o *fixOptions) plan(ctx context.Context, v *remedies) (*remedy.Plan, error) {
	if o.number > len(v.fixes) {
		return nil, fmt.Errorf("there is no fix %d of %s, there are %d", o.number, cmp.Or(v.subject.String(), "it"), len(v.fixes))
	}
	chosen := v.fixes[o.number-1]
	if o.from != "" || o.dryRun == "client" {
		return remedy.Offline(chosen)
	}
	cluster, _, err := o.cluster()
	if err != nil {
		return nil, err
	}
	most, err := riskOf(o.maxRisk)
	if err != nil {
		return nil, err
	}
	limit, err := o.limit()
	if err != nil {
		return nil, err
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	plan, err := cluster.Plan(ctx, chosen, most)
	return plan, o.late(ctx, err)
}

// show prints the plan.
func (o *fixOptions) show(p *program, v *remedies, plan *remedy.Plan) error {
	others := []report.Option{}
	for i, f := range v.fixes {
		if i != o.number-1 {
			others = append(others, report.Option{Number: i + 1, Rule: f.Finding.Rule.ID, Title: f.Fix.Title, Patch: f.Fix.Patch != nil})
		}
	}
	shown := plan.Report(v.subject, o.number, others)
	var text []byte
	var err error
	if o.output == "text" {
		text = []byte(shown.Text(report.Options{Width: columns(p.Out), Color: colored(p.Out, o.noColor), Kubectl: o.kubectl(), Inquest: p.name}))
	} else if text, err = shown.Encode(o.output); err != nil {
		return err
	}
	if _, err := p.Out.Write(text); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// toFolder writes the fix where --output-dir says.
func (o *fixOptions) toFolder(ctx context.Context, p *program, plan *remedy.Plan) error {
	if o.sources.Dir == "" {
		return nil
	}
	written, err := remedy.Write(ctx, plan, o.sources)
	if err != nil {
		return err
	}
	for _, w := range written {
		at := w.File
		if w.Line > 0 {
			at += fmt.Sprintf(":%d", w.Line)
		}
		if _, err := fmt.Fprintf(p.ErrOut, "%s\n  %s\n", report.Escape(at), report.Escape(w.What)); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long a rollout may take beside the time that pods have to stand: the progress deadline of a Deployment
// unless it says otherwise (apps/v1, progressDeadlineSeconds).
const patience = 10 * time.Minute
