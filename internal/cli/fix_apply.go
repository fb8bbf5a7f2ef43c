// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/report"
)

// proof holds the flags of what happens after a change.
type proof struct {
	audit         string
	undo          string
	undoOnFailure bool
	timeout       time.Duration
}

func (o *proof) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.audit, "audit-file", "", "the `file` that has a line for each act; default is inquest/audit.jsonl in XDG_STATE_HOME or ~/.local/state")
	flags.StringVar(&o.undo, "undo", "", "take back the act with this `id` of the audit file")
	flags.BoolVar(&o.undoOnFailure, "undo-on-failure", false, "take a fix back that did not help")
	flags.DurationVar(&o.timeout, "timeout", 0, "how long to watch at most; default is as long as the proof takes, and 10m more")
}

// journal returns the audit file.
func (o *proof) journal(cluster string) (*remedy.Journal, error) {
	j := &remedy.Journal{File: o.audit, Cluster: cluster}
	if j.File != "" {
		return j, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // others are to be ignored (XDG Base Directory Specification)
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, errors.New("there is no home to keep the audit file in: name one with --audit-file")
		}
		state = filepath.Join(home, ".local", "state")
	}
	j.File = filepath.Join(state, "inquest", "audit.jsonl")
	return j, nil
}

// cluster returns the cluster that fixes are carried out in, and its address.
func (a *ask) cluster() (*remedy.Cluster, string, error) {
	config, err := a.restConfig()
	if err != nil {
		return nil, "", err
	}
	config = rest.CopyConfig(config)
	config.Wrap(remedy.Once)
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, "", fmt.Errorf("connect: %w", err)
	}
	return &remedy.Cluster{Objects: objects, Mask: collect.RedactObject, Now: time.Now}, config.Host, nil
}

// errUnproven says that something was changed and is not proven to have helped, and errUnknown that this, or whether it was changed, could
// not be seen.
var (
	errUnproven = errors.New("not proven to have helped")
	errUnknown  = errors.New("not known what has become of it")
)

// carryOut applies a plan and watches what comes of it.
func (o *fixOptions) carryOut(ctx context.Context, p *program, v *remedies, plan *remedy.Plan) error {
	if plan.Refused != nil {
		return errors.New(plan.Refused.Why + "; nothing was changed")
	}
	var w *verification
	if o.verify {
		w = &verification{ask: o.ask, program: p, subject: v.snapshot.TopOwner(v.subject), rule: plan.Finding.Rule.ID, lived: plan.Lived, timeout: o.timeout}
		if w.subject.Name == "" {
			return errors.New("several things were asked about, and what comes of a change is watched of one: name one thing as TYPE/NAME, or give --verify=false; nothing was changed")
		}
		if err := w.foresee(ctx, plan); err != nil {
			return fmt.Errorf("%w; nothing was changed, and --verify=false changes it without watching", err)
		}
	}
	if err := o.show(p, v, plan); err != nil {
		return err
	}
	if err := o.confirm(ctx, p, "Change "+plan.Fix.Patch.Target.String()+"?"); err != nil {
		return err
	}
	cluster, host, err := o.cluster()
	if err != nil {
		return err
	}
	journal, err := o.journal(host)
	if err != nil {
		return err
	}
	done, notice, err := cluster.Apply(ctx, plan, journal)
	if err != nil {
		return o.lost(p, err)
	}
	o.tell(p, fmt.Sprintf("\napplied: %s (act %s, kept in %s)", plan.Fix.Title, done.ID, journal.File), notice)
	if w == nil {
		o.tell(p, "to take it back: "+o.back(p, done))
		return nil
	}
	w.watch.Act, w.watch.Since, w.audit = done, done.At, o.audit
	return o.afterwards(ctx, p, w, done, journal)
}

// lost tells how to find out what has become of a change whose answer was lost; any other error is as it was.
func (o *fixOptions) lost(p *program, err error) error {
	lost, ok := errors.AsType[*remedy.LostError](err)
	if !ok {
		return err
	}
	fmt.Fprintln(p.ErrOut, "error: "+report.Escape(oneLine(err)))
	ref := lost.Record.Object.Ref()
	look := strings.Join(o.kubectl(), " ") + " get " + ref.String() + " -o yaml --show-managed-fields"
	if ref.Namespace != "" {
		look += " -n " + ref.Namespace
	}
	o.tell(p, "to find out: "+look+" (the field manager "+remedy.Manager+" has what was set)",
		"to take it back, if it was made: "+o.back(p, lost.Record)+", which changes nothing where it was not")
	return errUnknown
}

// back is the command that takes an act back.
func (o *fixOptions) back(p *program, act *remedy.Record) string {
	return p.name + " fix --undo " + act.ID + o.kept() + o.same()
}

// kept names the audit file, where it is not the usual one.
func (o *proof) kept() string {
	if o.audit == "" {
		return ""
	}
	return " --audit-file " + o.audit
}

// afterwards watches, and takes back what did not help where that was asked for.
func (o *fixOptions) afterwards(ctx context.Context, p *program, w *verification, done *remedy.Record, journal *remedy.Journal) error {
	verdict := w.run(ctx)
	back := "to take it back: " + o.back(p, done)
	switch {
	case verdict.Outcome == remedy.Cured:
		o.tell(p, "to take it back all the same: "+o.back(p, done))
		return nil
	case ctx.Err() != nil:
		o.tell(p, "stopped: what was applied stays applied", "to go on watching: "+w.again(), back)
		return ctx.Err()
	case verdict.Outcome == remedy.Blind:
		o.tell(p, "what was applied stays applied", "to watch again: "+w.again(), back)
		return errUnknown
	case verdict.Outcome == remedy.Moot: // there is nothing of it to take back
		return errUnproven
	case !o.undoOnFailure:
		o.tell(p, back)
		return errUnproven
	}
	cluster, _, err := o.cluster()
	if err == nil {
		var undone *remedy.Record
		var notice string
		if undone, notice, err = cluster.Undo(ctx, done, journal); err == nil {
			o.tell(p, "taken back: "+done.Title+" (act "+undone.ID+")", notice)
			return errUnproven
		}
	}
	if err = o.lost(p, err); errors.Is(err, errUnknown) {
		return err
	}
	o.tell(p, "it was not taken back: "+oneLine(err), back)
	return errUnproven
}

// takeBack undoes an act of the audit file.
func (o *fixOptions) takeBack(ctx context.Context, p *program) error {
	cluster, host, err := o.cluster()
	if err != nil {
		return err
	}
	journal, err := o.journal(host)
	if err != nil {
		return err
	}
	act, err := journal.Find(o.undo)
	if err != nil {
		return err
	}
	if act.Cluster != host {
		return fmt.Errorf("act %s was done in the cluster at %s, and this one is at %s: choose it with --context", act.ID, act.Cluster, host)
	}
	plan, err := cluster.PlanUndo(ctx, act)
	if err != nil {
		return err
	}
	if plan.Refused != nil {
		return errors.New(plan.Refused.Why)
	}
	o.tell(p, fmt.Sprintf("act %s of %s: %s", act.ID, act.At.Format(time.RFC3339), act.Title))
	if err := o.show(p, &remedies{subject: act.Object.Ref()}, plan); err != nil {
		return err
	}
	if err := o.confirm(ctx, p, "Take it back?"); err != nil {
		return err
	}
	undone, notice, err := cluster.Apply(ctx, plan, journal)
	if err != nil {
		return o.lost(p, err)
	}
	o.tell(p, fmt.Sprintf("taken back (act %s, kept in %s)", undone.ID, journal.File), notice)
	return nil
}

// confirm asks a person, and returns an error unless it is answered with yes.
func (o *fixOptions) confirm(ctx context.Context, p *program, question string) error {
	if o.yes {
		return nil
	}
	if !isTerminal(p.In) {
		return errors.New("there is no terminal to ask on, and nothing was changed: --yes applies it without asking")
	}
	fmt.Fprintf(p.ErrOut, "\n%s [y/N] ", report.Escape(question))
	answer, err := bufio.NewReader(p.In).ReadString('\n')
	if ctx.Err() != nil {
		fmt.Fprintln(p.ErrOut, "\nstopped: nothing was changed")
		return ctx.Err()
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); err != nil || a != "y" && a != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// tell says what was done, line by line, on the standard output: it is the answer.
func (o *fixOptions) tell(p *program, lines ...string) {
	for _, line := range lines {
		if line != "" {
			begin, rest := "", line
			if strings.HasPrefix(line, "\n") {
				begin, rest = "\n", line[1:]
			}
			fmt.Fprintln(p.Out, begin+report.Escape(rest))
		}
	}
}
