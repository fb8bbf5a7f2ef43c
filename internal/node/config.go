// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The features that can be switched off, each with what it needs of the node.
const (
	featureRuntime = "runtime"
	featureLogs    = "logs"
	featureKernel  = "kernel"
	featureSignals = "signals"
	featureUsage   = "usage"
	featureHealth  = "health"
	featureCanary  = "canary"
)

// allFeatures are those that there are, and usualFeatures those that are on unless told otherwise: the canary changes something.
var (
	usualFeatures = []string{featureRuntime, featureLogs, featureKernel, featureSignals, featureUsage, featureHealth}
	allFeatures   = append(slices.Clone(usualFeatures), featureCanary)
)

// A Config is what the command line says.
type Config struct {
	Node     string
	Listen   string
	StateDir string
	Features []string

	Runtime, PodLogs, DockerLogs, ImageFS    string
	Proc, Tracefs, Cgroup, Kmsg, KernelLog   string
	CgroupBelow, KubeletHealthz              string
	HostRoot, KubeletConfig, KubeletConfigD  string
	Systemd                                  string
	Certificates, NodeLogs, Journal, Units   []string
	Cert, Key, APIServer, Account, LogFormat string
	RecordMiB, LogsMiB                       int64

	CanaryImage, CanaryParent string
	CanaryCommand             []string
	CanaryEvery               time.Duration
}

// bind declares the flags.
func (c *Config) bind(flags *flag.FlagSet) {
	for _, f := range []struct {
		to                *string
		name, value, help string
	}{
		{&c.Node, "node-name", "", "name of the node in the API; in a pod, $NODE_NAME by the downward API"},
		{&c.Listen, "listen", ":9437", "address to serve HTTPS on"},
		{&c.StateDir, "state-dir", "/var/lib/inquest-agent", "directory of the record and of logs that are kept"},
		{&c.Runtime, "runtime-endpoint", "", "socket of the container runtime; empty: the first of the usual ones that is there"},
		{&c.PodLogs, "pod-logs", "/var/log/pods", "directory of the logs of pods"},
		{&c.DockerLogs, "docker-logs", "", "Docker's directory of containers, where logs of pods are links into it"},
		{&c.ImageFS, "image-fs", "/", "a directory in the file system of images and of what containers write; the agent's own root is, in a container"},
		{&c.Proc, "proc", "/proc", "where the node's proc is mounted"},
		{&c.Tracefs, "tracefs", "/sys/kernel/tracing", "where the node's tracefs is mounted, writable"},
		{&c.Cgroup, "cgroup-root", "/sys/fs/cgroup", "where the node's control groups are mounted"},
		{&c.CgroupBelow, "cgroup-below", "", "directory in it to look below, of a node that is itself a container"},
		{&c.Kmsg, "kmsg", "/dev/kmsg", "the kernel's log; where it may not be opened, syslog(2) is used; journal: read it in the journal"},
		{&c.KernelLog, "kernel-log", "", "file with the kernel's log, for nodes where neither can be read; after it, the journal is tried"},
		{&c.KubeletHealthz, "kubelet-healthz", "http://127.0.0.1:10248/healthz", "where the kubelet says whether it is well"},
		{&c.HostRoot, "host-root", "/", "directory in which the node's files of the next flags are, which are paths from there"},
		{&c.KubeletConfig, "kubelet-config", "var/lib/kubelet/config.yaml", "the kubelet's configuration"},
		{&c.KubeletConfigD, "kubelet-config-dir", "", "what amends it, where the kubelet has --config-dir"},
		{&c.Systemd, "systemd", "/run/dbus/system_bus_socket", "socket of the system's D-Bus, to ask systemd for units; a path of its own"},
		{&c.Cert, "tls-cert-file", "", "certificate to serve with; empty: one is made at the start"},
		{&c.Key, "tls-private-key-file", "", "its key"},
		{&c.APIServer, "api-server", "", "address of the API server, https://HOST:PORT; empty: that of the cluster the agent's pod is in"},
		{&c.Account, "service-account-dir", "/var/run/secrets/kubernetes.io/serviceaccount", "directory with the agent's token and the API server's ca.crt"},
		{&c.CanaryImage, "canary-image", "", "image that feature canary starts a container of, which must be on the node; empty: a sandbox alone"},
		{&c.CanaryParent, "canary-cgroup-parent", "", "control group that the canary's are made in; empty: system.slice where the runtime uses systemd, else the runtime's choice"},
		{&c.LogFormat, "log-format", "text", "text or json"},
	} {
		flags.StringVar(f.to, f.name, f.value, f.help)
	}
	flags.Int64Var(&c.RecordMiB, "record-mib", 64, "most MiB of the record")
	flags.Int64Var(&c.LogsMiB, "logs-mib", 256, "most MiB of logs that are kept after the kubelet has removed them")
	flags.DurationVar(&c.CanaryEvery, "canary-every", 5*time.Minute, "time between two tries of the canary")
	for _, f := range []struct {
		to         *[]string
		name, help string
	}{
		{&c.Features, "features", "which sources of evidence to use; canary, which makes a sandbox on a schedule, is used where it is named only"},
		{&c.CanaryCommand, "canary-command", "what that container runs, with commas in between; empty: what its image says"},
		{&c.Certificates, "certificates", "files with certificates that must not expire, or directories of them, below --host-root"},
		{&c.NodeLogs, "node-logs", "files that kubelet and runtime log to, below --host-root; empty: --units are read in the journal"},
		{&c.Journal, "journal", "directories of systemd's journal, below --host-root"},
		{&c.Units, "units", "units of systemd to watch"},
	} {
		flags.Var(listFlag{f.to}, f.name, f.help)
	}
}

// A listFlag is a flag whose value is a list, with commas in between.
type listFlag struct{ to *[]string }

func (l listFlag) String() string {
	if l.to == nil { // package flag asks a zero value too
		return ""
	}
	return strings.Join(*l.to, ",")
}

// Set replaces the list.
func (l listFlag) Set(value string) error {
	*l.to = nil
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l.to = append(*l.to, item)
		}
	}
	return nil
}

// variable is the environment's name of a flag.
func variable(name string) string {
	if name == "node-name" {
		return "NODE_NAME"
	}
	return "INQUEST_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// parseConfig reads flags, and the environment for those that are not given. It returns flag.ErrHelp when it printed the
// help that was asked for.
func parseConfig(args []string, getenv func(string) string, stdout io.Writer) (Config, error) {
	c := Config{
		Features: slices.Clone(usualFeatures), Certificates: []string{"var/lib/kubelet/pki"}, Journal: []string{"var/log/journal", "run/log/journal"},
		Units: []string{"kubelet.service", "containerd.service", "crio.service"},
	}
	flags := flag.NewFlagSet("inquest-agent", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	c.bind(flags)
	var problems []error
	flags.VisitAll(func(f *flag.Flag) {
		if value := getenv(variable(f.Name)); value != "" {
			if err := f.Value.Set(value); err != nil {
				problems = append(problems, fmt.Errorf("$%s: %w", variable(f.Name), err))
			}
		}
	})
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		help(flags, stdout)
		return c, err
	} else if err != nil {
		problems = append(problems, fmt.Errorf("%w (see inquest-agent --help)", err))
	}
	if flags.NArg() > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q: everything is a flag", flags.Arg(0)))
	}
	return c, errors.Join(append(problems, c.Validate())...)
}

// Validate says what is wrong.
func (c *Config) Validate() error {
	var problems []error
	say := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	say(c.Node == "", "the name of the node is missing: give --node-name or set $NODE_NAME by the downward API")
	say(strings.ContainsAny(c.Node, "/ \t\n"), "--node-name %q is no name of a node", c.Node)
	say(!filepath.IsAbs(c.StateDir), "--state-dir %q is not an absolute path", c.StateDir)
	say((c.Cert == "") != (c.Key == ""), "--tls-cert-file and --tls-private-key-file belong together")
	say(c.LogFormat != "text" && c.LogFormat != "json", "unknown --log-format %q, expected text or json", c.LogFormat)
	say(c.APIServer != "" && !strings.HasPrefix(c.APIServer, "https://"), "--api-server %q does not begin with https://", c.APIServer)
	say(c.RecordMiB < 1 || c.RecordMiB > 1<<20, "--record-mib is %d, expected 1 to %d", c.RecordMiB, 1<<20)
	say(c.LogsMiB < 1 || c.LogsMiB > 1<<20, "--logs-mib is %d, expected 1 to %d", c.LogsMiB, 1<<20)
	say(c.CanaryEvery < 10*time.Second || c.CanaryEvery > 24*time.Hour, "--canary-every is %s, expected 10s to 24h", c.CanaryEvery)
	for _, name := range c.Features {
		say(!slices.Contains(allFeatures, name), "unknown feature %q, expected some of %s", name, strings.Join(allFeatures, ","))
	}
	return errors.Join(problems...)
}

func (c *Config) logger(to io.Writer) *slog.Logger {
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, nil))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}

func help(flags *flag.FlagSet, to io.Writer) {
	fmt.Fprint(to, `inquest-agent keeps what a node knows of its containers and the API server does not: every run and its log, the kernel's
word, who sent a signal, what was used in the last minutes. It observes, and makes and removes a sandbox now and then where the
feature canary is asked for. It serves what it saw over HTTPS to whoever Kubernetes lets read nodefacts.kubeinquest.io of this
node, and what is about a pod to whoever may get its logs.

Usage: inquest-agent [flags]

Each flag can be given as a variable too: --pod-logs as INQUEST_POD_LOGS. GOMEMLIMIT and GOGC are heeded.

`)
	flags.VisitAll(func(f *flag.Flag) {
		value := ""
		if f.DefValue != "" {
			value = fmt.Sprintf(" (default %s)", f.DefValue)
		}
		fmt.Fprintf(to, "  --%-20s %s%s\n", f.Name, f.Usage, value)
	})
}
