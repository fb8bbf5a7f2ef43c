// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubeinquest/inquest/internal/web"
)

// serveOptions are the flags of inquest serve.
type serveOptions struct {
	config   *genericclioptions.ConfigFlags
	listen   []string
	cert     string // of TLS, with key
	key      string
	access   string
	sessions string // file of the key that seals them
	oidc     oidcOptions
	database string
	from     string
	name     string
	spaces   []string // that alone are watched
	lease    string   // NAMESPACE/NAME
	turn     time.Duration
	keep     keepOptions
	tell     tellOptions
	given    func(flag string) bool // tells which flags were given
}

func newServeOptions() *serveOptions {
	o := &serveOptions{config: newAsk().config}
	o.config.Namespace = nil // here that is a flag of its own, which takes several
	return o
}

// How callers are known.
const (
	accessLoopback = "loopback"
	accessCluster  = "cluster"
)

func (o *serveOptions) bind(flags *pflag.FlagSet) {
	o.config.AddFlags(flags)
	usual(flags)
	flags.StringSliceVarP(&o.spaces, "namespace", "n", nil, "watch these `namespaces` alone, as SHOP,BANK or by repeating the flag; default is all, or where that is forbidden the one that the context names")
	flags.StringSliceVar(&o.listen, "listen", []string{"127.0.0.1:8737"}, "the `addresses` to serve the console on: loopback ones plainly, others by TLS and with --access cluster alone; port 0 takes any that is free")
	flags.StringVar(&o.access, "access", "", "who is let in: loopback, who has the link that this prints; or cluster, who has a token of the cluster, to what its owner may read. Default is loopback")
	flags.StringVar(&o.cert, "tls-cert-file", "", "the certificate of TLS, read again when it changes; default is one that is made at the start")
	flags.StringVar(&o.key, "tls-private-key-file", "", "its key")
	flags.StringVar(&o.sessions, "session-key-file", "", "32 bytes that all replicas share, so that a login at one is one at all; default is a key of this process")
	o.oidc.bind(flags)
	flags.StringVar(&o.database, "db", "", "where the history is: a `file`, memory:, or postgres://…; default is a file for this cluster in the folder for the state of programs")
	flags.StringVar(&o.from, "from", "", "show recorded incidents instead of a cluster: a `bundle`, or a folder of bundles")
	flags.StringVar(&o.name, "cluster-name", "", "what people call the cluster; default is the context")
	flags.StringVar(&o.lease, "lease", "", "the Lease, as NAMESPACE/NAME, by which several replicas with one database take turns: one records, all serve")
	o.keep.bind(flags)
	o.tell.bind(flags)
	flags.DurationVar(&o.turn, "lease-duration", 15*time.Second, "how long after a replica fell silent another one takes over")
	o.given = flags.Changed
}

// fromEnvironment takes what the command line does not say from variables: --db from INQUEST_DB. The flags of kubectl have none.
func (o *serveOptions) fromEnvironment(flags *pflag.FlagSet) error {
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "INQUEST_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if f.Changed || !set || !serveFlags[f.Name] {
			return
		}
		if wrong := flags.Set(f.Name, value); wrong != nil && err == nil {
			err = fmt.Errorf("$%s: %w", name, wrong)
		}
	})
	return err
}

// serveFlags are those that have a variable.
var serveFlags = map[string]bool{
	"listen": true, "access": true, "tls-cert-file": true, "tls-private-key-file": true, "session-key-file": true, "db": true, "from": true, "cluster-name": true, "namespace": true,
	"keep": true, "keep-events": true, "keep-size": true, "lease": true, "lease-duration": true, "notify": true, "events": true, "metrics-listen": true, "console-url": true, "log-format": true, "oidc-issuer": true, "oidc-client-id": true, "oidc-client-secret-file": true, "oidc-redirect": true,
	"oidc-username-claim": true, "oidc-username-prefix": true, "oidc-groups-claim": true, "oidc-groups-prefix": true, "oidc-scopes": true, "oidc-ca-file": true,
}

// Validate tells what is wrong with the command line.
func (o *serveOptions) Validate(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: serve takes no names: -n says which namespaces it watches", args[0])
	}
	switch {
	case o.access == "":
		o.access = accessLoopback
	case o.access != accessLoopback && o.access != accessCluster:
		return fmt.Errorf("unknown --access %q, expected loopback or cluster", o.access)
	case o.access == accessCluster && o.from != "":
		return errors.New("--access cluster asks the cluster who may see what, and with --from there is none")
	}
	if _, err := o.keep.retention(); err != nil {
		return err
	}
	if err := o.validateFrom(); err != nil {
		return err
	}
	if len(o.listen) == 0 {
		return errors.New("--listen names no address: give one as 127.0.0.1:8737")
	}
	for _, address := range o.listen {
		loopback, err := isLoopback(address)
		if err != nil {
			return err
		}
		if !loopback && o.access != accessCluster {
			return fmt.Errorf("--listen %s lets the network in, and nothing would keep anybody out: add --access cluster, by which the cluster says who may see what, or listen on 127.0.0.1", address)
		}
	}
	if (o.cert == "") != (o.key == "") {
		return errors.New("give --tls-cert-file and --tls-private-key-file, or neither")
	}
	return errors.Join(o.validateLease(), o.oidc.Validate(o.access))
}

// watching are the flags that say what becomes of what happens, and nothing happens in what was recorded.
var watching = []string{"namespace", "notify", "events", "keep", "keep-events", "keep-size"}

func (o *serveOptions) validateFrom() error {
	if i := slices.IndexFunc(watching, o.given); o.from != "" && i >= 0 {
		return fmt.Errorf("--%s is about what is yet to happen, and in what --from shows nothing is: leave it out", watching[i])
	}
	return nil
}

func (o *serveOptions) validateLease() error {
	if o.lease == "" {
		return nil
	}
	namespace, name, ok := strings.Cut(o.lease, "/")
	switch {
	case !ok || namespace == "" || name == "":
		return fmt.Errorf("--lease %q is no name: give one as NAMESPACE/NAME", o.lease)
	case o.from != "":
		return errors.New("with --from there is nothing to take turns at: leave out --lease")
	case !strings.HasPrefix(o.database, "postgres"):
		return errors.New("--lease is for several replicas with one database: give that by --db postgres://…")
	case o.turn < 2*time.Second || o.turn > 10*time.Minute:
		return fmt.Errorf("--lease-duration %s is not between 2s and 10m", o.turn)
	}
	return nil
}

func (p *program) serve() *cobra.Command {
	o := newServeOptions()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Watch a cluster, keep what vanishes, and show it in a browser",
		Long: `Watch a cluster, capture the evidence of each death while it exists, and show
what was found out in a browser, by a link that this prints. What was captured
stays in a file. It only reads the cluster, unless --events is given. With -n it
watches some namespaces, which is all that takes a role in them, such as view.

In a cluster, deploy/server has it run as a Deployment, with --access cluster.
Each flag of its own can be given as a variable too: --db as INQUEST_DB.`,
		Example: p.examples(`  %[1]s serve
  %[1]s serve --context prod --db prod.db
  %[1]s serve -n shop,bank
  %[1]s serve --from examples/`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if err := o.Validate(args); err != nil {
				return err
			}
			return o.run(cmd.Context(), p)
		},
	}
	o.bind(cmd.Flags())
	return cmd
}

// collectAt is by how many percent memory may grow until it is collected; Go's own default is 100. What is kept of a cluster is much and
// rarely changes, so that costs little, and of the memory of a watch that lasts a sixth is saved (bench/watch, load).
const collectAt = 50

// run records and shows until it is told to stop.
func (o *serveOptions) run(ctx context.Context, p *program) error {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(collectAt))
	}
	log, err := o.tell.log(p.ErrOut)
	if err != nil {
		return err
	}
	served, err := o.prepare(ctx, p, log)
	if err != nil {
		return err
	}
	defer func() {
		if err := served.console.Store.Close(); err != nil {
			log.Warn("close the history", "err", err)
		}
	}()
	link, err := o.admit(ctx, served)
	if err != nil {
		return err
	}
	handler, err := served.console.Handler()
	if err != nil {
		return err
	}
	s := &site{handler: handler, ready: served.ready, log: log}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := o.tell.serve(ctx, served.console.Store, log); err != nil {
		return err
	}
	addresses, err := s.open(o, stop)
	if err != nil {
		return err
	}
	if o.from != "" {
		fmt.Fprintln(p.ErrOut, "What was recorded is shown until you press Ctrl-C.")
	}
	for i, address := range addresses {
		fmt.Fprintf(p.Out, "The console: %s%s\n", address, map[bool]string{true: link}[i == 0 || o.access == accessCluster])
	}
	err = served.record(ctx)
	s.close()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) {
		return nil // told to stop
	}
	return err
}

// admit says who is let in, and returns what of a link lets in whoever reads it here.
func (o *serveOptions) admit(ctx context.Context, s *serving) (link string, err error) {
	if o.access == accessCluster {
		s.console.Access, err = o.clusterAccess(ctx, s)
		return "/", err
	}
	access, secret := web.NewLoopbackAccess(time.Now)
	s.console.Access = access
	return "/login?token=" + secret, nil
}
