// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/web"
)

// consoleOptions are the flags of inquest console.
type consoleOptions struct {
	config *genericclioptions.ConfigFlags
	listen string
	open   bool
	asked  bool // to open it: else where there is no browser nothing is said of that
}

func (o *consoleOptions) bind(flags *pflag.FlagSet) {
	o.config.AddFlags(flags)
	usual(flags)
	flags.Lookup("namespace").Usage = "where the server is; default is " + serverNamespace
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "the loopback `address` to open it on")
	flags.BoolVar(&o.open, "open", true, "open the link in the browser where there is one; --open=false leaves it")
}

// Validate tells what is wrong with the command line.
func (o *consoleOptions) Validate(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: console takes no names: the server's namespace is given by -n", args[0])
	}
	if loopback, err := isLoopback(o.listen); err != nil {
		return err
	} else if !loopback {
		return fmt.Errorf("--listen %s would let others in as you: give a loopback address", o.listen)
	}
	return nil
}

func (p *program) console() *cobra.Command {
	o := &consoleOptions{config: newAsk().config}
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Open the console of the server in the cluster",
		Long: `Open the console of the server that deploy/server has run in the cluster, by a
port-forward to its pod and a link that this prints, and opens in the browser
where there is one. You see there what you may read in the cluster: the token of
the kubeconfig goes with each request, and neither into the link nor to the
browser.`,
		Example: p.examples(`  %[1]s console
  %[1]s console --context prod --open=false`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Validate(args); err != nil {
				return err
			}
			o.asked = cmd.Flags().Changed("open")
			return o.run(cmd.Context(), p)
		},
	}
	o.bind(cmd.Flags())
	return cmd
}

func (o *consoleOptions) run(ctx context.Context, p *program) error {
	a := &ask{config: o.config}
	config, err := a.restConfig()
	if err != nil {
		return err
	}
	f := &forward{config: config, namespace: cmp.Or(*o.config.Namespace, serverNamespace)}
	as, err := f.caller()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	forwarding := make(chan error, 1)
	ready := make(chan struct{})
	go func() { forwarding <- f.run(ctx, ready, p.ErrOut) }()
	select {
	case <-ready:
	case err := <-forwarding:
		return told(ctx, err)
	}
	access, secret := web.NewLoopbackAccess(time.Now)
	door := &frontDoor{access: access, to: &f.port, as: as}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("open the console: %w; choose another port with --listen 127.0.0.1:0", err)
	}
	server := &http.Server{Handler: door.handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("open the console: %w", err))
		}
	}()
	defer func() { _ = server.Close() }() // the program ends
	link := "http://" + listener.Addr().String() + "/login?token=" + secret
	fmt.Fprintf(p.Out, "The console: %s\nIt is open until you press Ctrl-C.\n", link)
	if err := o.browse(ctx, link); err != nil {
		fmt.Fprintln(p.ErrOut, "notice: the browser was not opened: "+report.Escape(err.Error()))
	}
	return told(ctx, <-forwarding)
}

// told is nil where somebody asked for the end.
func told(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// errNoBrowser is that there is nothing to open a link with.
var errNoBrowser = errors.New("no browser is known here: open the link yourself")

// browse opens the link, which is good once, in the browser, where there is one or somebody asked for that.
func (o *consoleOptions) browse(ctx context.Context, link string) error {
	if !o.open {
		return nil
	}
	command := opener(runtime.GOOS, os.Getenv, exec.LookPath)
	switch {
	case command != nil:
		return exec.CommandContext(ctx, command[0], append(command[1:], link)...).Start()
	case o.asked:
		return errNoBrowser
	}
	return nil
}

// opener is the command that opens a link in a browser; nil where there is none: on a machine without a screen, as over SSH, xdg-open may
// open one in the terminal.
func opener(system string, variable func(string) string, find func(string) (string, error)) []string {
	var command []string
	switch {
	case system == "darwin":
		command = []string{"open"}
	case system == "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	case variable("DISPLAY") != "" || variable("WAYLAND_DISPLAY") != "":
		command = []string{"xdg-open"}
	default:
		return nil
	}
	path, err := find(command[0])
	if err != nil {
		return nil
	}
	return append([]string{path}, command[1:]...)
}

// A frontDoor lets in whoever has the link, once, and passes what he asks for on as whoever started the program.
type frontDoor struct {
	access *web.LoopbackAccess
	to     *atomic.Int32 // the port on this machine that leads to the server
	as     func(http.RoundTripper) (http.RoundTripper, error)
}

func (d *frontDoor) handler() http.Handler {
	transport := &http.Transport{Proxy: nil, ResponseHeaderTimeout: time.Minute}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, // a stream goes on as it comes
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", d.to.Load())})
			r.Out.Host = r.In.Host // what is asked of a page of its own is asked by it
			r.Out.Header.Del("Cookie")
			r.Out.Header.Del("Authorization")
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Set-Cookie")
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "the server in the cluster does not answer; ask again in a moment", http.StatusBadGateway)
		},
	}
	if d.as != nil {
		as, err := d.as(transport)
		if err != nil {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, err.Error(), http.StatusBadGateway) })
		}
		proxy.Transport = as
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		if err := d.access.Login(w, r, r.FormValue("token")); err != nil {
			http.Error(w, strings.ReplaceAll(err.Error(), "inquest serve", "inquest console"), http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := d.access.Rights(r.Context(), r); err != nil {
			http.Error(w, strings.ReplaceAll(err.Error(), "inquest serve", "inquest console"), http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// errNoToken is that the kubeconfig has nothing that the server could have reviewed.
var errNoToken = errors.New("the kubeconfig has no token, by which alone the server can ask the cluster who you are: give one by --token, such as kubectl create token NAME --audience inquest prints")

// caller returns how a request is made that of whoever the kubeconfig is for.
func (f *forward) caller() (func(http.RoundTripper) (http.RoundTripper, error), error) {
	config := rest.CopyConfig(f.config)
	config.Impersonate = rest.ImpersonationConfig{} // the server knows no such thing
	as := func(to http.RoundTripper) (http.RoundTripper, error) { return rest.HTTPWrappersForConfig(config, to) }
	var probe tokenProbe
	wrapped, err := as(&probe)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := wrapped.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("get a token as the kubeconfig says: %w", err)
	}
	if resp.Body.Close(); !probe.has {
		return nil, errNoToken
	}
	return as, nil
}

// A tokenProbe answers nothing, and sees whether a request has a token.
type tokenProbe struct{ has bool }

// RoundTrip looks at the header.
func (p *tokenProbe) RoundTrip(r *http.Request) (*http.Response, error) {
	p.has = strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ")
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}
