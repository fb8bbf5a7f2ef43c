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
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/advise/rbac"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
)

// rbacOptions are the flags of inquest rbac.
type rbacOptions struct {
	*ask
	audit    []string
	policy   string
	subjects []string
	output   string
	exitCode bool
}

// rbacOutputs are the forms of the answer: roles is the proposed ones alone, to be applied.
var rbacOutputs = []string{"text", "json", "yaml", "roles"}

func (o *rbacOptions) bind(flags *pflag.FlagSet) {
	o.config.AddFlags(flags)
	usual(flags)
	flags.Lookup("namespace").Usage = "only service accounts of this namespace"
	flags.StringArrayVar(&o.audit, "audit", nil, "an audit log of the API server: a `file` of JSON lines, also packed by gzip, or a folder of them; - reads standard input; may be repeated")
	flags.StringVar(&o.policy, "policy", "", "the audit policy `file` of the API server, which tells what the log leaves out")
	flags.StringArrayVar(&o.subjects, "subject", nil, "only this one: sa:NAMESPACE/NAME, user:NAME or group:NAME; may be repeated")
	flags.Func("from", "take roles and bindings not from a cluster but from `files`: manifests, or what kubectl get -o yaml printed; a file, a folder or an archive; - reads standard input", o.setFrom)
	flags.StringVarP(&o.output, "output", "o", "text", "one of "+strings.Join(rbacOutputs, ", "))
	flags.BoolVar(&o.exitCode, "exit-code", false, "exit with 1 when somebody has rights that nobody used, and with 2 when it could not be told")
}

// Validate tells what is wrong with the command line.
func (o *rbacOptions) Validate(args []string) error {
	stdin := 0
	for _, name := range append([]string{o.from, o.policy}, o.audit...) {
		if name == "-" {
			stdin++
		}
	}
	switch {
	case len(args) > 0:
		return fmt.Errorf("%q: rbac takes no names: say --subject sa:NAMESPACE/NAME", args[0])
	case !slices.Contains(rbacOutputs, o.output):
		return fmt.Errorf("unknown output %q, expected one of %s", o.output, strings.Join(rbacOutputs, ", "))
	case stdin > 1:
		return errors.New("standard input can be read once: name files for all but one of --audit, --policy and --from")
	case len(o.audit) == 0 && o.policy != "":
		return fmt.Errorf("--policy %s is for a log: name one with --audit", o.policy)
	case len(o.audit) == 0 && o.output == "roles":
		return errors.New("-o roles proposes roles by what was used: name an audit log with --audit")
	case len(o.audit) == 0 && o.exitCode:
		return errors.New("--exit-code tells of what was used: name an audit log with --audit")
	}
	for _, text := range o.subjects {
		if _, err := subjectIn(text); err != nil {
			return err
		}
	}
	return nil
}

// subjectIn reads sa:NAMESPACE/NAME, user:NAME and group:NAME.
func subjectIn(text string) (rbac.Subject, error) {
	kind, name, _ := strings.Cut(text, ":")
	namespace, account, two := strings.Cut(name, "/")
	switch {
	case kind == "sa" && two && namespace != "" && account != "" && !strings.Contains(account, "/"):
		return rbac.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}, nil
	case kind == "user" && name != "":
		return rbac.SubjectOf(name), nil
	case kind == "group" && name != "":
		return rbac.Subject{Kind: rbacv1.GroupKind, Name: name}, nil
	}
	return rbac.Subject{}, fmt.Errorf("--subject %q is nobody: expected sa:NAMESPACE/NAME, user:NAME or group:NAME", text)
}

func (p *program) rbac() *cobra.Command {
	o := &rbacOptions{ask: newAsk()}
	cmd := &cobra.Command{
		Use:   "rbac [--audit FILE]... [--subject sa:NAMESPACE/NAME]...",
		Short: "Compare what roles grant with what was used",
		Long: `Compare what roles grant with what was used, as audit logs of the API server
tell it: rights that nobody used, ways to more rights, requests that were
refused, and the least roles under which the same requests pass again. Without a
log it tells what is granted, and the ways.

Roles and bindings are read from the cluster, which takes the role of
deploy/rbac/access.yaml, or from files with --from. What a log leaves out cannot
be judged, and stays granted: --policy tells what that is. Nothing is changed.

Exit status: 0 when it could be told, 1 when not. With --exit-code 0 when nobody
has rights that nobody used, 1 when somebody has, 2 when it could not be told.`,
		Example: p.examples(`  %[1]s rbac --subject sa:shop/cart
  %[1]s rbac --audit audit.log --policy audit-policy.yaml
  zcat audit-*.gz | %[1]s rbac --audit - --subject sa:shop/cart -o roles > a.yaml
  %[1]s rbac --from manifests/ --audit logs/`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Validate(args); err != nil {
				return err
			}
			return o.run(cmd.Context(), p)
		},
	}
	o.bind(cmd.Flags())
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(rbacOutputs, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // cannot happen: the flag was bound just before
	}
	return cmd
}

// An accessReport is the answer for programs.
type accessReport struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Log        *logSummary   `json:"log,omitempty"`
	Items      []rbac.Advice `json:"items"`
}

func (o *rbacOptions) run(ctx context.Context, p *program) error {
	objects, err := o.objects(ctx, p)
	if err != nil {
		return err
	}
	access := rbac.NewObjects(objects)
	if o.from != "" {
		access = rbac.NewObjectsOfFiles(objects)
	}
	advisor := &rbac.Advisor{Objects: access}
	if o.policy != "" {
		if advisor.Policy, err = p.auditPolicy(o.policy); err != nil {
			return err
		}
	}
	if len(o.audit) > 0 {
		if advisor.Log, err = o.log(ctx, p, access.Names()); err != nil {
			return err
		}
	}
	subjects, err := o.chosen(access, advisor.Log)
	if err != nil {
		return err
	}
	answer := accessReport{APIVersion: report.APIVersion, Kind: "AccessReport", Log: summaryOf(advisor), Items: []rbac.Advice{}}
	unused := 0
	for _, who := range subjects {
		advice := advisor.Advise(who)
		unused += advice.Unused()
		answer.Items = append(answer.Items, advice)
	}
	shown, err := o.render(&answer)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(p.Out, shown); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if o.exitCode && unused > 0 {
		return errFound
	}
	if roles := answer.unread(); o.exitCode && len(roles) > 0 {
		return fmt.Errorf("whether there are unused rights cannot be told: %s is not among what was read: name its file with --from too", roles[0])
	}
	return nil
}

// unread are the roles of all that were not read.
func (r *accessReport) unread() (roles []string) {
	for i := range r.Items {
		roles = append(roles, r.Items[i].Unread()...)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func (o *rbacOptions) render(answer *accessReport) (string, error) {
	var data []byte
	var err error
	switch o.output {
	case "json":
		data, err = report.JSONOf(answer)
	case "yaml":
		data, err = report.YAMLOf(answer)
	case "roles":
		data, err = rolesOf(answer.Items)
	default:
		return accessText(answer, len(o.subjects) > 0 || len(answer.Items) == 1), nil
	}
	return string(data), err
}

// objects reads roles and bindings, of a cluster or of files.
func (o *rbacOptions) objects(ctx context.Context, p *program) ([]evidence.Object, error) {
	if o.from == "" {
		ctx, source, done, err := o.begin(ctx, p)
		if err != nil {
			return nil, err
		}
		defer done()
		cluster, _ := source.(collect.Cluster)
		objects, err := cluster.Access(ctx)
		return objects, o.late(ctx, err)
	}
	objects, err := collect.AccessFiles(o.from, p.In, func(text string) { fmt.Fprintln(p.ErrOut, "notice: "+report.Escape(text)) })
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if _, account := object.(*corev1.ServiceAccount); !account {
			return objects, nil
		}
	}
	return nil, fmt.Errorf("there is no role and no binding in %s", o.from)
}

// chosen are those to advise about: who was named, or all that bindings name, but for those of Kubernetes itself.
func (o *rbacOptions) chosen(access *rbac.Objects, log *rbac.Log) ([]rbac.Subject, error) {
	all := access.Subjects()
	if len(o.subjects) == 0 {
		if in := *o.config.Namespace; in != "" {
			if all = slices.DeleteFunc(all, func(s rbac.Subject) bool { return s.Namespace != in }); len(all) == 0 {
				return nil, fmt.Errorf("no binding names a service account of namespace %s: leave out -n to see whom they name", in)
			}
		}
		if len(all) == 0 {
			return nil, errors.New("no binding names anybody but Kubernetes itself: name somebody with --subject")
		}
		return all, nil
	}
	var chosen []rbac.Subject
	for _, text := range o.subjects {
		who, err := subjectIn(text)
		if err != nil {
			return nil, err
		}
		if !access.Knows(who) && (log == nil || log.Of(who) == nil) {
			return nil, unknownSubject(who, all, log != nil)
		}
		chosen = append(chosen, who)
	}
	return chosen, nil
}

func unknownSubject(who rbac.Subject, all []rbac.Subject, logged bool) error {
	var names []string
	for _, s := range all {
		names = append(names, s.String())
	}
	nobody := fmt.Sprintf("no binding names %s", who)
	if logged {
		nobody += ", and the log has nothing of it"
	}
	if near, ok := nearest(who.String(), names); ok {
		return fmt.Errorf("%s, did you mean %s?", nobody, near)
	}
	if who.Kind == rbacv1.UserKind {
		return fmt.Errorf("%s: leave out --subject to see whom they name; what its groups have is told of group:NAME", nobody)
	}
	return fmt.Errorf("%s: leave out --subject to see whom they name", nobody)
}
