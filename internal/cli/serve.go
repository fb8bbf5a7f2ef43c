// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/watch"
	"github.com/kubeinquest/inquest/internal/web"
)

// serveOptions are the flags of inquest serve.
type serveOptions struct {
	config   *genericclioptions.ConfigFlags
	listen   string
	database string
	from     string
}

func (o *serveOptions) bind(flags *pflag.FlagSet) {
	o.config.AddFlags(flags)
	usual(flags)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8737", "the loopback `address` to serve the console on; port 0 takes any that is free")
	flags.StringVar(&o.database, "db", "", "where the history is: a `file`, memory:, or postgres://…; default is a file for this cluster in the folder for the state of programs")
	flags.StringVar(&o.from, "from", "", "show recorded incidents instead of a cluster: a `bundle`, or a folder of bundles")
}

// Validate tells what is wrong with the command line.
func (o *serveOptions) Validate(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: serve watches the whole cluster and takes no names", args[0])
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("--listen %q is no address: give one as 127.0.0.1:8737", o.listen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %s would let the network in: only a loopback address can be served yet", o.listen)
	}
	return nil
}

func (p *program) serve() *cobra.Command {
	o := &serveOptions{config: newAsk().config}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Watch a cluster, keep what vanishes, and show it in a browser",
		Long: `Watch a cluster, capture the evidence of each death while it exists, and show what
was found out in a browser, by a link that this prints. What was captured stays in
a file. It only reads the cluster.`,
		Example: p.examples(`  %[1]s serve
  %[1]s serve --context prod --db prod.db
  %[1]s serve --from examples/`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Validate(args); err != nil {
				return err
			}
			return o.run(cmd.Context(), p)
		},
	}
	o.bind(cmd.Flags())
	return cmd
}

func (o *serveOptions) run(ctx context.Context, p *program) error {
	log := slog.New(slog.NewTextHandler(p.ErrOut, nil))
	watching, console, err := o.prepare(ctx, p, log)
	if err != nil {
		return err
	}
	defer console.Store.Close()
	access, secret := web.NewLoopbackAccess(time.Now)
	console.Access, console.Done = access, ctx.Done()
	handler, err := console.Handler()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("serve the console: %w; choose another port with --listen 127.0.0.1:0", err)
	}
	server := web.NewServer(handler)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("serve the console: %w", err))
		}
	}()
	fmt.Fprintf(p.Out, "The console: http://%s/login?token=%s\n", listener.Addr(), secret)
	err = watching(ctx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(end) // who still reads after that is let go of: the program ends
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) {
		return nil // told to stop
	}
	return err
}

// prepare opens the history and returns what fills it, and what shows it.
func (o *serveOptions) prepare(ctx context.Context, p *program, log *slog.Logger) (func(context.Context) error, *web.Console, error) {
	recorder := &watch.Recorder{Rules: p.rules, Version: thisBuild().Version, Log: log, Now: time.Now}
	if o.from != "" {
		return o.replay(ctx, p, recorder)
	}
	a := &ask{config: o.config}
	config, err := a.restConfig()
	if err != nil {
		return nil, nil, err
	}
	if recorder.Client, err = apiClient(config, "/api", corev1.SchemeGroupVersion); err != nil {
		return nil, nil, err
	}
	if recorder.Leases, err = apiClient(config, "/apis", coordinationv1.SchemeGroupVersion); err != nil {
		return nil, nil, err
	}
	var home corev1.Namespace
	if err := recorder.Client.Get().Resource("namespaces").Name("kube-system").Do(ctx).Into(&home); err != nil {
		return nil, nil, fmt.Errorf("ask which cluster this is, by the UID of the namespace kube-system: %w", err)
	}
	recorder.Cluster = string(home.UID)
	recorder.Source = collect.Cluster{Config: config}
	file, err := o.file(recorder.Cluster)
	if err != nil {
		return nil, nil, err
	}
	if recorder.Store, err = history.Open(ctx, file, history.Options{}); err != nil {
		return nil, nil, err
	}
	name := cmp.Or(*o.config.Context, config.Host)
	console := &web.Console{
		Store: recorder.Store, Rules: p.rules, Log: log, Now: time.Now, Version: recorder.Version, Source: name, Look: recorder.Source,
	}
	return recorder.Run, console, nil
}

// apiClient asks one API, for protobuf. A recorder's watches wait for nobody.
func apiClient(config *rest.Config, path string, version schema.GroupVersion) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	config.ContentType, config.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	config.APIPath, config.GroupVersion = path, &version
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.QPS = -1
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return client, nil
}

// file is where the history of a cluster is.
func (o *serveOptions) file(cluster string) (string, error) {
	if o.database != "" {
		return o.database, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the history: %w; name one with --db", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	dir := filepath.Join(state, "inquest")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a place for the history: %w; name another with --db", err)
	}
	return filepath.Join(dir, filepath.Base(cluster)+".db"), nil
}

// replay fills a history with recorded incidents. It is shown as of when the last of them was recorded.
func (o *serveOptions) replay(ctx context.Context, p *program, recorder *watch.Recorder) (func(context.Context) error, *web.Console, error) {
	var err error
	if recorder.Store, err = history.Open(ctx, cmp.Or(o.database, "memory:"), history.Options{}); err != nil {
		return nil, nil, err
	}
	recorder.Cluster = o.from
	var last time.Time
	for _, name := range bundlesIn(o.from) {
		source, err := collect.Open(name, collect.Reading{LogBytes: 256 << 10})
		if err != nil {
			return nil, nil, err
		}
		s, err := recorder.Replay(ctx, source)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		if s.Taken.After(last) {
			last = s.Taken
		}
	}
	now := func() time.Time { return last }
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	return wait, &web.Console{Store: recorder.Store, Rules: p.rules, Log: recorder.Log, Now: now, Version: recorder.Version, Source: o.from}, nil
}

// bundlesIn returns the bundles in a folder, or what is named where that is one itself.
func bundlesIn(name string) []string {
	if _, err := os.Stat(filepath.Join(name, "meta.yaml")); err == nil {
		return []string{name}
	}
	entries, err := os.ReadDir(name)
	if err != nil { // a file, or nothing: what opens it says what is wrong
		return []string{name}
	}
	var all []string
	for _, e := range entries {
		path := filepath.Join(name, e.Name())
		if _, err := os.Stat(filepath.Join(path, "meta.yaml")); err == nil || !e.IsDir() {
			all = append(all, path)
		}
	}
	if len(all) == 0 {
		return []string{name}
	}
	return all
}
