// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

// collectOptions are the flags of inquest collect.
type collectOptions struct {
	*ask
	output string
}

func (o *collectOptions) bind(flags *pflag.FlagSet) {
	o.ask.bind(flags)
	flags.StringVarP(&o.output, "output", "o", "", "the bundle to write: a .zip, .tar.gz, .txtar, or a folder")
}

// Validate tells what is wrong with the command line.
func (o *collectOptions) Validate(args []string) error {
	if o.output == "" {
		return errors.New("say where the evidence goes: -o case.zip")
	}
	return o.ask.Validate(args)
}

func (p *program) collect() *cobra.Command {
	o := &collectOptions{ask: newAsk()}
	cmd := &cobra.Command{
		Use:   "collect [TYPE/NAME | TYPE NAME | NAME ...] -o FILE",
		Short: "Save the evidence as a bundle that anybody can diagnose",
		Long: `Save the evidence that "why" looks at as a bundle: objects, Events, the logs of
runs that ended. Secrets are not read, and what looks like a password or a token
is masked. The selection and the connection are given as for "why".`,
		Example: p.examples(`  %[1]s collect web-0 -n shop -o case.zip
  %[1]s why --from case.zip`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Validate(args); err != nil {
				return err
			}
			return o.run(cmd.Context(), p, args)
		},
	}
	o.bind(cmd.Flags())
	o.completion(cmd)
	return cmd
}

func (o *collectOptions) run(ctx context.Context, p *program, args []string) error {
	selections, err := o.selections(p, args)
	if err != nil {
		return err
	}
	ctx, source, done, err := o.begin(ctx, p)
	if err != nil {
		return err
	}
	defer done()
	var all []*evidence.Snapshot
	for _, sel := range selections {
		s, err := source.Snapshot(ctx, sel)
		if err != nil {
			return o.late(ctx, err)
		}
		all = append(all, s)
	}
	s := joined(all)
	files, err := collect.Files(s)
	if err != nil {
		return err
	}
	if err := collect.WriteArchive(o.output, files); err != nil {
		return err
	}
	done()
	_, err = fmt.Fprint(p.ErrOut, summary(o.output, s))
	return err
}

// joined makes one snapshot of several that were taken in one go: what all of them were asked and hold.
func joined(all []*evidence.Snapshot) *evidence.Snapshot {
	if len(all) == 1 {
		return all[0]
	}
	j := &evidence.Snapshot{Has: ^evidence.Kind(0)}
	seen := map[evidence.Fact]bool{}
	for _, s := range all {
		j.Taken = s.Taken
		j.Has &= s.Has
		j.Asked = append(j.Asked, s.Asked...)
		j.Gaps = append(j.Gaps, s.Gaps...)
		j.Absent = append(j.Absent, s.Absent...)
		j.Objects = append(j.Objects, s.Objects...)
		j.Events = append(j.Events, s.Events...)
		j.Logs = append(j.Logs, s.Logs...)
		j.Runs = append(j.Runs, s.Runs...)
		for _, f := range s.Facts {
			if !seen[f] {
				seen[f] = true
				j.Facts = append(j.Facts, f)
			}
		}
	}
	return j.Freeze()
}

// summary says what a bundle holds and what it lacks.
func summary(name string, s *evidence.Snapshot) string {
	pods := len(evidence.List[*corev1.Pod](s))
	var b strings.Builder
	fmt.Fprintf(&b, "wrote %s: %s, %s, %s, %s\n", name, report.Plural(pods, "pod"),
		report.Plural(len(s.Objects)-pods, "other object"), report.Plural(len(s.Events), "Event"), report.Plural(len(s.Logs), "log"))
	if lacks := report.Lacks(s.Gaps); lacks != "" {
		b.WriteString("it lacks:\n" + lacks)
	}
	return b.String()
}
