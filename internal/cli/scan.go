// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/rules"
	"github.com/kubeinquest/inquest/internal/scan"
)

// errTrouble says that a scan that decides about a pipeline could not be done.
var errTrouble = errors.New("the scan is not complete")

// scanOptions are the flags of inquest scan.
type scanOptions struct {
	output        string
	failOn        string
	policy        string
	baseline      string
	writeBaseline string
	with          []string
	values        []string
	namespace     string
	kube          string
	history       string
	live          bool
	all           bool
	noColor       bool
	cluster       *ask           // how it is reached, and for how long it is asked
	connection    *pflag.FlagSet // the flags that say so
}

func (o *scanOptions) bind(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "text", "one of "+strings.Join(scan.Outputs, ", "))
	flags.StringVar(&o.failOn, "fail-on", "", "exit with 1 when there is a finding of that `severity` or above, note, warning or error, and with 2 when it could not be told")
	flags.StringVar(&o.policy, "policy", "", "a `file` that says how much rules matter and what is waived")
	flags.StringVar(&o.baseline, "baseline", "", "a `file` with what was found before, which does not count")
	flags.StringVar(&o.writeBaseline, "write-baseline", "", "write all that is found into that `file`, and fail on nothing")
	flags.StringArrayVar(&o.with, "with", nil, "another `tool` to run and judge with: "+toolNames()+"; or TOOL=FILE to read its report, SARIF or JSON")
	flags.StringArrayVar(&o.values, "values", nil, "a `file` of values for charts")
	flags.StringVarP(&o.namespace, "namespace", "n", "default", "of objects that name none")
	flags.StringVar(&o.kube, "kube-version", "1."+strconv.Itoa(collect.NewestKube), "the Kubernetes that the manifests are for")
	flags.StringVar(&o.history, "history", "", "the history that serve keeps, a `file` or postgres://…: what each finding has cost is told first")
	flags.BoolVar(&o.live, "live", false, "ask the cluster of the kubeconfig, which is not asked otherwise: what each finding has cost there is told first")
	o.connection = pflag.NewFlagSet("", pflag.ContinueOnError)
	o.cluster.config.AddFlags(o.connection)
	usual(o.connection)
	o.connection.Lookup("request-timeout").Usage = "how long the cluster is asked at the most, in seconds or as 2m; 0 for 30s"
	flags.AddFlagSet(o.connection)
	flags.BoolVar(&o.all, "all", false, "show what is waived or known as well")
	flags.BoolVar(&o.noColor, "no-color", false, "no colours; NO_COLOR in the environment does the same")
}

func toolNames() string {
	var names []string
	for _, t := range scan.Tools {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// Validate tells what is wrong with the command line.
func (o *scanOptions) Validate(args []string) error {
	if len(args) == 0 {
		return errors.New("say what to scan: files, folders, or - for standard input")
	}
	if !slices.Contains(scan.Outputs, o.output) {
		return fmt.Errorf("unknown output %q, expected one of %s", o.output, strings.Join(scan.Outputs, ", "))
	}
	if o.failOn != "" && o.failOn != "off" {
		if _, err := scan.ParseSeverity(o.failOn); err != nil {
			return fmt.Errorf("--fail-on: %w", err)
		}
	}
	if _, err := o.minor(); err != nil {
		return err
	}
	if err := o.validateLive(); err != nil {
		return err
	}
	for _, with := range o.with {
		name, file, reads := strings.Cut(with, "=")
		if reads && (name == "" || file == "") {
			return fmt.Errorf("--with %s: expected NAME=FILE, the name of a tool and the file with its report", with)
		}
		if !reads && !slices.ContainsFunc(scan.Tools, func(t scan.Tool) bool { return t.Name == name }) {
			return fmt.Errorf("unknown tool %q, expected one of %s, or NAME=FILE with its report", name, toolNames())
		}
	}
	return nil
}

// minor is the minor version of Kubernetes that is asked for.
func (o *scanOptions) minor() (int, error) {
	parts := strings.Split(strings.TrimPrefix(o.kube, "v"), ".")
	if len(parts) >= 2 && parts[0] == "1" {
		if n, err := strconv.Atoi(parts[1]); err == nil && n > 0 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is no version of Kubernetes, expected one as 1.33", o.kube)
}

func (p *program) scan() *cobra.Command {
	o := newScan()
	cmd := &cobra.Command{
		Use:   "scan FILE|FOLDER|- ...",
		Short: "Judge manifests: what will not start, what will restart",
		Long: `Judge manifests before they ship: fields that there are not, what the API server
refuses, what will not start, and what will be restarted. Folders are read with
all below them; a chart is rendered by helm, a kustomization by kustomize or
kubectl. What other scanners found is judged by the same policy.

With --live or --history those come first that have cost restarts already. A
cluster that cannot be asked is noted under "not checked" and changes nothing
else.

A finding is waived by a comment, at the end of a line or above it:
  # inquest:ignore RULE why it is accepted, until 2027-01-31

Exit status: 0 it was done; 1 it could not be. With --fail-on, or failOn in the
policy: 0 nothing of that severity that counts; 1 something; 2 it could not be
told.`,
		Example: p.examples(`  %[1]s scan deploy/
  helm template charts/web | %[1]s scan -
  %[1]s scan deploy/ --fail-on error --baseline scan.json
  %[1]s scan deploy/ -n shop --live --context prod
  %[1]s scan . --with trivy --with eslint=eslint.json -o sarif > scan.sarif`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Validate(args); err != nil {
				return err
			}
			return o.run(cmd.Context(), p, args)
		},
	}
	o.bind(cmd.Flags())
	return cmd
}

// run scans. Where a scan that decides, by a flag or by the policy, could not be done, that is trouble and neither good nor bad news.
func (o *scanOptions) run(ctx context.Context, p *program, args []string) error {
	policy, err := o.readPolicy()
	if err != nil {
		return fmt.Errorf("%w: %w", errTrouble, err) // whether it was to decide, nobody can tell
	}
	err = o.judge(ctx, p, args, policy)
	if err != nil && !errors.Is(err, errFound) && o.severity(policy) != scan.Off {
		return fmt.Errorf("%w: %w", errTrouble, err)
	}
	return err
}

// severity is from which on findings fail.
func (o *scanOptions) severity(policy scan.Policy) scan.Severity {
	s, err := scan.ParseSeverity(cmp.Or(o.failOn, policy.FailOn, "off"))
	if err != nil {
		return scan.Off
	}
	return s
}

// fewFiles is up to how many files a scan is over before clearing away its memory pays.
const fewFiles = 500

func (o *scanOptions) judge(ctx context.Context, p *program, args []string, policy scan.Policy) error {
	minor, _ := o.minor()
	files, err := collect.ManifestFiles{Stdin: p.In, Values: o.values}.Find(ctx, args)
	if err != nil {
		return err
	}
	// Nearly all that is read is thrown away at once: of few files it need not be cleared away, and of many as soon as it is as much as what is kept.
	percent := 100
	if len(files) <= fewFiles {
		percent = 1000
	}
	defer debug.SetGCPercent(debug.SetGCPercent(percent))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(512 << 20))
	job := scan.Job{
		Files: files, Alone: rules.Manifests(), Sets: rules.Sets(), Policy: policy,
		Reader: collect.ManifestReader{Namespace: o.namespace, Kube: minor},
	}
	result, err := job.Run(ctx)
	if err != nil {
		return err
	}
	others, failed := o.others(ctx, args)
	result.Failed = append(result.Failed, failed...)
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	job.Merge(result, others, root)
	if err := o.price(ctx, p, result); err != nil {
		return err
	}
	if result.Manifests == 0 && len(result.Failed) == 0 && len(o.with) == 0 {
		return fmt.Errorf("there is no manifest in %s: expected YAML or JSON with apiVersion and kind", strings.Join(args, ", "))
	}
	return o.answer(p, result, policy)
}

// answer writes what was found, and decides by it.
func (o *scanOptions) answer(p *program, result *scan.Result, policy scan.Policy) error {
	notice := func(text string) { fmt.Fprintln(p.ErrOut, "notice: "+report.Escape(text)) }
	if err := o.applyBaseline(result, notice); err != nil {
		return err
	}
	if o.output == "junit" { // which has no place for it
		for _, why := range result.NotPriced {
			notice("not checked: " + why)
		}
	}
	failOn := o.severity(policy)
	if o.writeBaseline != "" {
		failOn = scan.Off
	}
	out := scan.Output{
		Rules: rules.Everything(), Version: thisBuild().Version, Width: columns(p.Out), Color: colored(p.Out, o.noColor), FailOn: failOn, All: o.all,
	}
	if err := out.Write(p.Out, o.output, result); err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	if len(result.Failed) > 0 {
		return errors.Join(result.Failed...)
	}
	for i := range result.Findings {
		if out.Fails(&result.Findings[i]) {
			return errFound
		}
	}
	return nil
}

func (o *scanOptions) readPolicy() (scan.Policy, error) {
	policy := scan.Policy{}
	if o.policy != "" {
		data, err := os.ReadFile(o.policy)
		if err != nil {
			return policy, fmt.Errorf("read the policy: %w", err)
		}
		if policy, err = scan.ReadPolicy(data, slices.Concat(rules.Manifests(), rules.Sets())); err != nil {
			return policy, fmt.Errorf("read the policy %s: %w", o.policy, err)
		}
	}
	policy.Today = time.Now()
	return policy, nil
}

func (o *scanOptions) applyBaseline(result *scan.Result, notice func(string)) error {
	if o.baseline != "" {
		data, err := os.ReadFile(o.baseline)
		if err != nil {
			return fmt.Errorf("read the baseline: %w; --write-baseline writes one", err)
		}
		b, err := scan.ReadBaseline(data)
		if err != nil {
			return fmt.Errorf("read the baseline %s: %w", o.baseline, err)
		}
		if gone := b.Apply(result); gone > 0 {
			notice(fmt.Sprintf("%d of the baseline are found no more: write it anew with --write-baseline %s", gone, o.baseline))
		}
	}
	if o.writeBaseline == "" {
		return nil
	}
	data, err := scan.BaselineOf(result)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.writeBaseline, data, 0o644); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	return nil
}
