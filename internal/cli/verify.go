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

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/report"
)

// A verification watches a thing after a change.
type verification struct {
	*ask
	program *program
	subject evidence.Ref
	rule    string
	lived   time.Duration
	timeout time.Duration
	act     string // whose change must stand; "": it is not known
	audit   string

	watch *remedy.Watch
	proof remedy.Proof
	limit time.Duration
}

func (p *program) verify() *cobra.Command {
	v := &verification{ask: newAsk(), program: p}
	v.noFrom = true // it is refused
	cmd := &cobra.Command{
		Use:   "verify TYPE/NAME",
		Short: "Watch after a change until it is proven to have helped, or not",
		Long: `Watch a pod or a workload after a change, whoever made it, until it is proven to
live: its rollout is complete, all its pods are ready, and no container ends for
half as long again as earlier attempts lived and two periods of its probes. What
is waited for is said before. With --act of the audit file the cause that this
act was to remedy must not come back, and what it has set must stand.

Exit status: 0 it is proven; 3 it is not: the cause is back, another keeps it
from living, somebody has set it back, or the time is over; 4 it could not be
seen at the end; 1 it could not be watched.`,
		Example: p.examples(`  %[1]s verify deploy/web -n shop
  %[1]s verify deploy/web -n shop --rule MEM001 --timeout 5m`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := v.Validate(args); err != nil {
				return err
			}
			return v.alone(cmd.Context(), args)
		},
	}
	v.bind(cmd.Flags())
	for _, name := range []string{"from", "all-namespaces", "selector", "filename", "recursive", "container"} {
		cmd.Flags().Lookup(name).Hidden = true // one thing that lives is watched
	}
	cmd.Flags().StringVar(&v.rule, "rule", "", "the `rule` whose cause must not come back; default is any")
	cmd.Flags().DurationVar(&v.lived, "lived", 0, "how long earlier attempts lived at most before they ended; default is what can be seen, or is kept of --act")
	cmd.Flags().StringVar(&v.act, "act", "", "the `id` of an act of fix --apply, whose change must stand")
	cmd.Flags().StringVar(&v.audit, "audit-file", "", "the `file` that has a line for each act, as of fix")
	cmd.Flags().DurationVar(&v.timeout, "timeout", 0, "how long to watch at most; default is as long as the proof takes, and 10m more")
	v.completion(cmd)
	return cmd
}

// Validate tells what is wrong with the command line.
func (v *verification) Validate(args []string) error {
	if v.from != "" {
		return fmt.Errorf("nothing changes in %s: leave out --from", v.from)
	}
	if v.container != "" {
		return fmt.Errorf("all containers of a thing are watched: leave out --container %s", v.container)
	}
	if v.lived < 0 {
		return fmt.Errorf("--lived %s: expected a time as 5m", v.lived)
	}
	if v.rule != "" {
		if _, err := v.program.ruleOf(v.rule); err != nil {
			return err
		}
	}
	if len(args) == 0 || v.all || v.label != "" || len(v.files) > 0 {
		return errors.New("name what to watch: TYPE/NAME, such as deploy/web")
	}
	return v.ask.Validate(args)
}

// ruleOf returns a rule by its id.
func (p *program) ruleOf(id string) (*diagnosis.Rule, error) {
	var ids []string
	for _, r := range p.rules {
		if r.ID == id {
			return r, nil
		}
		ids = append(ids, r.ID)
	}
	if near, ok := nearestRule(id, ids); ok {
		return nil, fmt.Errorf("unknown rule %q, did you mean %s?", id, near)
	}
	return nil, fmt.Errorf("unknown rule %q, see %q", id, p.name+" explain")
}

// nearestRule returns the rule that is meant by an id, whose number may lack zeros in front.
func nearestRule(id string, ids []string) (string, bool) {
	id = strings.ToUpper(id)
	number := strings.TrimLeft(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	const digits = 3
	full := strings.TrimSuffix(id, number) + strings.Repeat("0", max(digits-len(number), 0)) + number
	if slices.Contains(ids, full) {
		return full, true
	}
	return nearest(id, ids)
}

// alone watches without having changed anything.
func (v *verification) alone(ctx context.Context, args []string) error {
	selections, err := v.selections(v.program, args)
	if err != nil {
		return err
	}
	if len(selections) != 1 {
		return fmt.Errorf("%d things are named, and one is watched at a time: name one", len(selections))
	}
	asking, source, done, err := v.begin(ctx, v.program)
	if err != nil {
		return err
	}
	defer done()
	s, err := source.Snapshot(asking, selections[0])
	if err != nil {
		return v.late(asking, err)
	}
	done()
	v.subject, v.lived = s.TopOwner(s.Subject), cmp.Or(v.lived, remedy.Lived(s, nil))
	if err := v.prepare(); err != nil {
		return err
	}
	if v.watch.Lived == 0 {
		fmt.Fprintln(v.program.ErrOut, "notice: of no earlier attempt is it known any more for how long it lived: where some did before they ended, say so with --lived")
	}
	if v.proof, err = v.watch.Proof(ctx); err != nil {
		return err
	}
	if err := v.patience(); err != nil {
		return err
	}
	verdict := v.run(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(v.program.Out, "stopped; to go on: "+v.again())
		return ctx.Err()
	case verdict.Outcome == remedy.Blind:
		fmt.Fprintln(v.program.Out, "to watch again: "+v.again())
		return errUnknown
	case verdict.Outcome != remedy.Cured:
		return errUnproven
	}
	return nil
}

// again is the command that goes on watching.
func (v *verification) again() string {
	command := v.program.name + " verify " + v.subject.String()
	if v.subject.Namespace != "" {
		command += " -n " + v.subject.Namespace
	}
	if v.rule != "" {
		command += " --rule " + v.rule
	}
	if v.lived != 0 && v.watch.Act == nil {
		command += " --lived " + v.lived.String()
	}
	if act := v.watch.Act; act != nil {
		command += " --act " + act.ID + (&proof{audit: v.audit}).kept()
	}
	return report.Escape(command + v.same())
}

// prepare makes ready to watch.
func (v *verification) prepare() error {
	cluster, host, err := v.cluster()
	if err != nil {
		return err
	}
	source, err := v.source(v.program, func(string) {})
	if err != nil {
		return err
	}
	out := v.program.Out
	v.watch = &remedy.Watch{
		Cluster: cluster, Subject: v.subject, Rule: v.rule, Lived: v.lived,
		Tell: func(s string) { fmt.Fprintln(out, "  "+report.Escape(s)) },
		Diagnose: func(ctx context.Context) ([]diagnosis.Cause, error) {
			d, err := diagnosis.Diagnose(ctx, source, evidence.Selection{Ref: v.subject, Namespace: v.subject.Namespace, LogBytes: v.logBytes}, v.program.rules)
			if err != nil {
				return nil, err
			}
			return d.Causes, nil
		},
	}
	if v.act == "" {
		return nil
	}
	journal, err := (&proof{audit: v.audit}).journal(host)
	if err != nil {
		return err
	}
	act, err := journal.Find(v.act)
	if err != nil {
		return err
	}
	if act.Cluster != host {
		return fmt.Errorf("act %s was done in the cluster at %s, and this one is at %s: choose it with --context", v.act, act.Cluster, host)
	}
	v.watch.Act, v.watch.Since = act, act.At
	if act.Undoes == "" { // an undo remedies nothing
		v.watch.Rule, v.watch.Lived = cmp.Or(v.rule, act.Rule), max(v.lived, act.Lived.Duration)
	}
	return nil
}

// foresee finds out what will be waited for, before a plan is applied.
func (v *verification) foresee(ctx context.Context, plan *remedy.Plan) error {
	err := v.prepare()
	if err != nil {
		return err
	}
	if v.proof, err = v.watch.Foresee(ctx, plan); err != nil {
		return err
	}
	return v.patience()
}

// patience sets how long is waited at most.
func (v *verification) patience() error {
	if v.limit = v.timeout; v.limit == 0 {
		v.limit = v.proof.Stand + patience
	}
	if v.limit < v.proof.Stand {
		return fmt.Errorf("the proof takes %s, longer than --timeout %s: give it more", v.proof.Stand.Round(time.Second), v.limit)
	}
	return nil
}

// run says what is waited for, waits, and says what came of it.
func (v *verification) run(ctx context.Context) remedy.Verdict {
	out := v.program.Out
	fmt.Fprintf(out, "\nproven when (within %s):\n", v.limit.Round(time.Second))
	for _, term := range v.proof.Terms {
		fmt.Fprintln(out, "- "+report.Escape(term))
	}
	ctx, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	verdict := v.watch.Run(ctx, v.proof)
	v.conclude(verdict)
	return verdict
}

// conclude prints a verdict, with what is wrong now.
func (v *verification) conclude(verdict remedy.Verdict) {
	word := map[remedy.Outcome]string{remedy.Cured: "cured", remedy.Back: "not cured", remedy.Other: "not cured", remedy.Moot: "not cured", remedy.Open: "not proven", remedy.Blind: "undetermined"}[verdict.Outcome]
	fmt.Fprintf(v.program.Out, "%s: %s\n", word, report.Escape(verdict.Why))
	const most = 5
	for i := range verdict.Found {
		if i == most {
			fmt.Fprintf(v.program.Out, "  and %d more: %s\n", len(verdict.Found)-most, report.Escape(v.program.name+" why "+v.subject.String()+" -n "+v.subject.Namespace+v.same()))
			break
		}
		c := &verdict.Found[i]
		fmt.Fprintf(v.program.Out, "  found now: %s %s %s: %s\n", c.Rule.ID, c.Confidence, report.Escape(c.About.String()), report.Escape(c.Message))
	}
}
