// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/tell"
	"github.com/kubeinquest/inquest/internal/watch"
)

// tellOptions are the flags of inquest serve that say who is told, and how.
type tellOptions struct {
	notify string
	events bool
	listen string
	format string
	site   string // of the console

	config  *tell.Config
	meter   *tell.Meter
	watched sync.Once
}

func (o *tellOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.notify, "notify", "", "a YAML `file` with whom to tell of incidents: Alertmanager, webhooks, chat, mail")
	flags.BoolVar(&o.events, "events", false, "write verdicts as Events on pods and workloads; needs the role in deploy/rbac/events.yaml")
	flags.StringVar(&o.listen, "metrics-listen", "", "the `address` to serve /metrics, /healthz and /readyz on, as :9090; not served by default")
	flags.StringVar(&o.site, "console-url", "", "where people reach the console, as https://inquest.example.com, which messages, Events and alerts link to; console: in the file of --notify goes before it")
	flags.StringVar(&o.format, "log-format", "text", "how the log is written: `text or json`")
}

// prepare reads what the flags name. Messages call the cluster by a name that is used where the file gives none.
func (o *tellOptions) prepare(cluster string) error {
	o.meter, o.config = tell.NewMeter(thisBuild().Version, thisBuild().Commit), &tell.Config{}
	if o.listen != "" {
		if _, _, err := net.SplitHostPort(o.listen); err != nil {
			return fmt.Errorf("--metrics-listen %q is no address: give one as :9090", o.listen)
		}
	}
	if o.notify != "" {
		var err error
		if o.config, err = tell.ReadConfig(o.notify); err != nil {
			return err
		}
	}
	if err := (&tell.Config{Console: o.site}).Check(); err != nil {
		return fmt.Errorf("--console-url %q: %w", o.site, err)
	}
	o.config.Console = cmp.Or(o.config.Console, o.site)
	o.meter.At(o.config.Console)
	o.config.Cluster = cmp.Or(o.config.Cluster, cluster)
	return nil
}

func (o *tellOptions) log(to io.Writer) (*slog.Logger, error) {
	switch o.format {
	case "text":
		return slog.New(slog.NewTextHandler(to, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, nil)), nil
	}
	return nil, fmt.Errorf("--log-format %q: give text or json", o.format)
}

// serve serves metrics and health until the context ends. What is ready can read its history.
func (o *tellOptions) serve(ctx context.Context, s *history.Store, log *slog.Logger) error {
	if o.listen == "" {
		return nil
	}
	handler := o.meter.Handler(func(ctx context.Context) error {
		_, _, err := s.Untaken(ctx)
		if err != nil && ctx.Err() == nil {
			log.Warn("not ready", "err", err)
		}
		return err
	})
	at, err := tell.Listen(ctx, o.listen, handler, log)
	if err == nil {
		log.Info("metrics are served", "address", at.String())
	}
	return err
}

// beside returns what records and, as long as that runs, tells.
func (o *tellOptions) beside(r *watch.Recorder) func(context.Context) error {
	o.watched.Do(func() { o.meter.Watch(r.Figures) })
	return func(ctx context.Context) error {
		end, err := tell.Trace(ctx, r.Version)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var group sync.WaitGroup
		along := func(run func(context.Context) error) {
			group.Go(func() {
				if err := run(ctx); err != nil && ctx.Err() == nil {
					r.Log.Error("what was recorded is not told any more", "err", err)
				}
			})
		}
		along(func(ctx context.Context) error { return o.meter.Follow(ctx, r.Store, r.Cluster, r.Log) })
		if len(o.config.Targets) > 0 {
			along(o.teller(r).Run)
		}
		if o.events {
			host, _ := os.Hostname()
			along((&tell.Announcer{
				Store: r.Store, Cluster: r.Cluster, Client: r.Client, All: spacesOf(r.Client), Instance: "inquest-" + host, Console: o.config.Console, Log: r.Log, Now: r.Now,
			}).Run)
		}
		err = r.Run(ctx)
		stop()
		group.Wait()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return errors.Join(err, end(last))
	}
}

func (o *tellOptions) teller(r *watch.Recorder) *tell.Teller {
	t := &tell.Teller{Store: r.Store, Cluster: r.Cluster, Config: o.config, Meter: o.meter, Log: r.Log, Now: r.Now}
	if program, err := os.Executable(); err == nil {
		t.Chat = []string{program, chatCommand}
	}
	return t
}

// chatCommand is the name of a command that this program starts itself.
const chatCommand = "send-to-chat"

func (p *program) chat() *cobra.Command {
	return &cobra.Command{
		Use: chatCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return tell.Chat(cmd.Context(), p.In, p.Out) },
	}
}
