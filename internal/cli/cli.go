// SPDX-License-Identifier: Apache-2.0

// Package cli holds the commands: one file each, with its options in one struct that is bound to flags, validated and
// run.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/heap"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
)

// The exit statuses beside 0: kubectl's 1 for "could not", diff's on request, the shell's for an interrupt.
const (
	statusFailed      = 1
	statusFound       = 1 // with --exit-code
	statusTrouble     = 2 // with --exit-code: could not
	statusUnproven    = 3 // of fix and verify: changed, and not proven to have helped
	statusUnknown     = 4 // of fix and verify: it is not known what has become of it
	statusInterrupted = 130
)

// errFound says that there are causes, to a command line that asked for it in the exit status.
var errFound = errors.New("causes found")

// A program is what the commands share.
type program struct {
	genericiooptions.IOStreams
	name  string // as a person calls it: "inquest" or "kubectl inquest"
	rules []*diagnosis.Rule
}

// Main runs the command line and returns the exit status.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name, args := called(os.Args[0], args)
	p := &program{genericiooptions.IOStreams{In: newStoppable(ctx, stdin), Out: stdout, ErrOut: stderr}, name, rules.All()}
	if len(args) == 0 || args[0] != "scan" { // which sets it by what there is to scan
		heap.Settle()
	}
	root := p.root(args...)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return statusFound
	case errors.Is(err, errUnproven):
		return statusUnproven
	case errors.Is(err, errUnknown):
		return statusUnknown
	case ctx.Err() != nil:
		return statusInterrupted
	}
	fmt.Fprintln(stderr, "error: "+report.Escape(oneLine(err)))
	if errors.Is(err, errTrouble) || slices.Contains(args, "--exit-code") || slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--fail-on") }) {
		return statusTrouble
	}
	return statusFailed
}

// called tells by which of its names the program was called, and the arguments that this name stands for. kubectl
// runs kubectl_complete-inquest to complete "kubectl inquest".
func called(path string, args []string) (name string, rest []string) {
	switch strings.TrimSuffix(filepath.Base(path), ".exe") {
	case "kubectl_complete-inquest":
		return "kubectl inquest", append([]string{cobra.ShellCompRequestCmd}, args...)
	case "kubectl-inquest":
		return "kubectl inquest", args
	}
	return "inquest", args
}

// oneLine joins what an error of many lines says, each thing once: a message is one line.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.Join(slices.Compact(lines), "; ")
}

// root is the command without a command: it prints help.
func (p *program) root(args ...string) *cobra.Command {
	root := &cobra.Command{
		Use:   "inquest",
		Short: "Say why a container died or a pod does not start, with the proof",
		Long: `Inquest says why a container died or a pod does not start: who ended it, on what
evidence, what follows from what, what could not be checked, and what to do
about it. It only reads, unless fix --apply, fix --undo or serve --events is
given.`,
		Example: p.examples(`  # Why does this pod restart or not start?
  %[1]s why web-0 -n shop
  # All that is in trouble in every namespace
  %[1]s why -A
  # The same from a file that somebody sent
  %[1]s why --from case.zip
  # What will not start, or will restart, before it ships
  %[1]s scan deploy/`),
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: p.name},
		SilenceErrors: true, SilenceUsage: true, DisableAutoGenTag: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Args = func(_ *cobra.Command, args []string) error { return p.unknownCommand(root, args) }
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.ErrOut)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.AddCommand(p.commands(args)...)
	return root
}

// commands are those that a command line can mean: the one that it names first, as the flags of all take longer to make than a short
// command takes, and all where it names none.
func (p *program) commands(args []string) []*cobra.Command {
	all := map[string]func() *cobra.Command{
		"why": p.why, "scan": p.scan, "fix": p.fix, "verify": p.verify, "collect": p.collect, "node": p.node, "serve": p.serve, "console": p.console,
		"history": p.history, "rbac": p.rbac, "chat": p.chat, "tune": p.tune, "explain": p.explain, "version": p.version,
	}
	if len(args) > 0 && all[args[0]] != nil {
		return []*cobra.Command{all[args[0]]()}
	}
	var list []*cobra.Command
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name]())
	}
	return list
}

func (p *program) examples(s string) string { return fmt.Sprintf(s, p.name) }

// unknownCommand says what was probably meant by a first word that is no command.
func (p *program) unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if strings.Contains(args[0], "/") {
		return fmt.Errorf("unknown command %q, did you mean %q?", args[0], p.name+" why "+args[0])
	}
	return noSuchCommand(root, args[0])
}

// noSuchCommand says what was probably meant by a word that is no command of one that has some.
func noSuchCommand(of *cobra.Command, word string) error {
	of.SuggestionsMinimumDistance = 2
	if near := of.SuggestionsFor(word); len(near) > 0 {
		return fmt.Errorf("unknown command %q, did you mean %q?", word, of.CommandPath()+" "+near[0])
	}
	return fmt.Errorf("unknown command %q, see %q", word, of.CommandPath()+" --help")
}
