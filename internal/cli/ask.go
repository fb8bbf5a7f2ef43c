// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// ask holds the flags that say what is asked about and where the evidence comes from.
type ask struct {
	config    *genericclioptions.ConfigFlags
	all       bool
	label     string
	container string
	files     []string
	recursive bool
	from      string
	noFrom    bool // there is no such flag
	whole     bool // of a namespace what is well is looked at, too
	services  bool // and the Services that lead to what is looked at
	noLogs    bool
	logBytes  int64
}

func newAsk() *ask {
	config := genericclioptions.NewConfigFlags(true)
	config.CacheDir = nil // nothing is discovered, so nothing is cached
	return &ask{config: config}
}

// usualFlags are those of kubectl's connection flags that help shows, with what it says. The others work too, and
// kubectl options lists them.
var usualFlags = map[string]string{
	"namespace":       "the namespace of what is named; default is that of the context",
	"context":         "the context of the kubeconfig to use",
	"kubeconfig":      "the kubeconfig to use; default is KUBECONFIG, then ~/.kube/config",
	"request-timeout": "how long the whole answer may take, in seconds or as 30s; 0 for as long as it takes",
}

func (a *ask) bind(flags *pflag.FlagSet) {
	a.config.AddFlags(flags)
	usual(flags)
	flags.BoolVarP(&a.all, "all-namespaces", "A", false, "ask about everything in trouble in every namespace")
	flags.StringVarP(&a.label, "selector", "l", "", "ask about pods with these labels, as kubectl get takes them")
	flags.StringVarP(&a.container, "container", "c", "", "only this container")
	flags.StringSliceVarP(&a.files, "filename", "f", nil, "ask about what these manifests, or those in a folder, name; - reads standard input")
	flags.BoolVarP(&a.recursive, "recursive", "R", false, "read the folders below that of -f too")
	flags.Func("from", "take the evidence not from a cluster but from a `bundle`, or from what kubectl printed (-o yaml, describe, tables, events, logs), a node's logs or a cluster dump: a file, a folder or an archive; - reads standard input", a.setFrom)
	flags.BoolVar(&a.noLogs, "no-logs", false, "do not read logs")
	flags.Int64Var(&a.logBytes, "log-bytes", 256<<10, "how much of the end of each log is read")
}

// usual hides kubectl's flags but the usual ones.
func usual(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		usage, known := usualFlags[f.Name]
		f.Usage, f.Hidden = usage, !known
	})
}

// setFrom takes no empty name, which a script's variable without a value gives: that would ask the cluster instead.
func (a *ask) setFrom(name string) error {
	if name == "" {
		return errors.New("name a bundle")
	}
	a.from = name
	return nil
}

// takePipe takes a lone - among the arguments for the evidence, as in "kubectl describe pod web-0 | inquest why -".
func (a *ask) takePipe(args []string) ([]string, error) {
	i := slices.Index(args, "-")
	if i < 0 {
		return args, nil
	}
	if a.from != "" && a.from != "-" {
		return nil, fmt.Errorf("the evidence comes from %s or from standard input: leave out - or --from", a.from)
	}
	a.from = "-"
	return slices.Delete(slices.Clone(args), i, i+1), nil
}

// Validate tells which flags and arguments contradict each other.
func (a *ask) Validate(args []string) error {
	named := len(args) > 0 || len(a.files) > 0
	if len(args) == 1 {
		if k, ok := kindOf(args[0]); ok && k.name == "Pod" {
			named = len(a.files) > 0
		}
	}
	switch {
	case named && a.all:
		return errors.New("a thing cannot be named across all namespaces: give its namespace with -n instead of -A")
	case named && a.label != "":
		return errors.New("give either names or a selector, not both")
	case a.logBytes < 1:
		return fmt.Errorf("--log-bytes %d reads nothing: give at least 1, or --no-logs", a.logBytes)
	}
	if _, err := labels.Parse(a.label); err != nil {
		return fmt.Errorf("selector %q: %w", a.label, err)
	}
	return nil
}

// selections returns the questions, each of which gets a report of its own.
func (a *ask) selections(p *program, args []string) ([]evidence.Selection, error) {
	namespace, err := a.namespace()
	if err != nil {
		return nil, err
	}
	refs, err := refsOf(args, namespace)
	if err != nil {
		return nil, err
	}
	files, err := manifestFiles(a.files, a.recursive)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		more, err := p.manifest(file, namespace)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	common := evidence.Selection{
		Namespace: namespace, AllNamespaces: a.all, Label: a.label, Container: a.container,
		NoLogs: a.noLogs, LogBytes: a.logBytes,
	}
	if len(refs) == 0 {
		return []evidence.Selection{common}, nil
	}
	var list []evidence.Selection
	for _, ref := range refs {
		common.Ref = ref
		list = append(list, common)
	}
	return list, nil
}

// namespace returns the namespace that names are looked up in: that of -n, else that of the kubeconfig's context. The
// evidence of a bundle has nothing to do with a kubeconfig, so there it is "", which means any.
func (a *ask) namespace() (string, error) {
	switch {
	case a.all:
		return "", nil
	case a.from != "":
		return *a.config.Namespace, nil
	}
	if err := a.checkKubeconfig(); err != nil {
		return "", err
	}
	namespace, _, err := a.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	return namespace, nil
}

// kubectl returns how a command for the same cluster begins. Secrets given as flags are left out.
func (a *ask) kubectl() []string {
	command := []string{"kubectl"}
	if a.from != "" {
		return command
	}
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"--kubeconfig", a.config.KubeConfig},
		{"--context", a.config.Context},
		{"--cluster", a.config.ClusterName},
		{"--user", a.config.AuthInfoName},
		{"--server", a.config.APIServer},
		{"--tls-server-name", a.config.TLSServerName},
		{"--certificate-authority", a.config.CAFile},
		{"--as", a.config.Impersonate},
	} {
		if f.value != nil && *f.value != "" {
			command = append(command, f.name, *f.value)
		}
	}
	for _, group := range *a.config.ImpersonateGroup {
		command = append(command, "--as-group", group)
	}
	if *a.config.Insecure {
		command = append(command, "--insecure-skip-tls-verify")
	}
	return command
}

// same is what a command for the same cluster has after its name and arguments; "" where that is the usual one.
func (a *ask) same() string {
	if flags := a.kubectl()[1:]; len(flags) > 0 {
		return " " + strings.Join(flags, " ")
	}
	return ""
}
