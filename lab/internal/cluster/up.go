// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// Up brings the lab up and writes a line with the time for each step. A lab
// whose machines are up keeps them, whatever the options; one of which only a
// part is up is started again from nothing.
func (l Lab) Up(ctx context.Context, o Options, out io.Writer) error {
	start := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(out, "%5.1f s  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
	if running, ok := l.running(); ok {
		o = running
		say("machines %s are up already", strings.Join(o.Machines(), ", "))
	} else if err := l.startAnew(ctx, o, say); err != nil {
		return err
	}
	if err := l.waitReady(ctx, o, say); err != nil {
		return err
	}
	say("up: export KUBECONFIG=%s", l.Kubeconfig())
	return nil
}

// startAnew starts all machines after it has cleared away what there was.
func (l Lab) startAnew(ctx context.Context, o Options, say func(string, ...any)) error {
	if problem := l.Inspect().Problem(); problem != "" {
		return errors.New(problem)
	}
	if l.traces() {
		if err := l.Down(l.keeps()); err != nil {
			return err
		}
		say("what was left of an earlier lab is cleared")
	}
	if err := l.prepare(ctx, o); err != nil {
		return err
	}
	say("certificates and network are made")
	return l.startMachines(ctx, o, say)
}

// waitReady returns when pods can be created and will run.
func (l Lab) waitReady(ctx context.Context, o Options, say func(string, ...any)) error {
	client, err := l.newAPI()
	if err != nil {
		return err
	}
	if err := until(ctx, patience, l.alive(controlPlane, client.ready)); err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	say("API server answers")
	if err := client.applyMetricsServer(ctx); err != nil {
		return err
	}
	for _, n := range o.Nodes {
		if err := l.waitNode(ctx, client, n.Name, ""); err != nil {
			return err
		}
		say("node %s is ready", n.Name)
	}
	if err := until(ctx, patience, client.defaultAccount); err != nil {
		return fmt.Errorf("wait for the default service account: %w", err)
	}
	return nil
}

// keeps reports that the state is one that Down was asked to keep.
func (l Lab) keeps() bool {
	return exists(filepath.Join(l.State, keepMarker))
}

// running returns the options of the lab if every machine it has is up.
func (l Lab) running() (Options, bool) {
	o, err := l.loadOptions()
	if err != nil {
		return o, false
	}
	for _, name := range o.Machines() {
		if machine.Pid(l.State, name) == 0 {
			return o, false
		}
	}
	return o, true
}

func (l Lab) prepare(ctx context.Context, o Options) error {
	if err := os.MkdirAll(l.State, 0o700); err != nil {
		return err
	}
	if err := l.makePKI(time.Now()); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := l.saveOptions(o); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(l.State, keepMarker)); err != nil {
		return err
	}
	batch := []string{
		"link add " + bridge + " address 02:49:00:00:00:fe type bridge",
		"addr add " + hostAddress + " dev " + bridge,
		"link set " + bridge + " up",
	}
	for _, r := range podRoutes(0) {
		batch = append(batch, "route add "+r)
	}
	return ip(ctx, strings.Join(batch, "\n")+"\n")
}

// startMachines starts all at once: what must wait, waits inside.
func (l Lab) startMachines(ctx context.Context, o Options, say func(string, ...any)) error {
	specs, err := l.specs(o)
	if err != nil {
		return err
	}
	failed := make(chan error, len(specs))
	for _, s := range specs {
		go func() { failed <- machine.Start(ctx, s) }()
	}
	var errs []error
	for range specs {
		errs = append(errs, <-failed)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	say("machines %s stand", strings.Join(o.Machines(), ", "))
	return nil
}

func (l Lab) specs(o Options) ([]machine.Spec, error) {
	environment := l.environment()
	control, err := l.controlPlaneSpec(o, environment)
	if err != nil {
		return nil, err
	}
	specs := []machine.Spec{control}
	for _, n := range o.Nodes {
		s, err := l.nodeSpec(n, environment)
		if err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// environment lets the machines' programs find each other and the libraries
// of the unpacked packages.
func (l Lab) environment() []string {
	libraries, _ := filepath.Glob(filepath.Join(l.Cache, "debian/usr/lib/*-linux-gnu")) // the pattern is well formed
	for i, dir := range libraries {
		libraries[i] = filepath.Join(machine.CacheDir, strings.TrimPrefix(dir, l.Cache))
	}
	return []string{
		"HOME=/root",
		"PATH=" + machine.CacheDir + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LD_LIBRARY_PATH=" + strings.Join(libraries, ":"),
	}
}

// alive is the condition, as long as the machine it depends on is up.
func (l Lab) alive(name string, condition func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if machine.Pid(l.State, name) == 0 {
			return fmt.Errorf("machine %s went down: see %s", name, filepath.Join(machine.Dir(l.State, name), "log"))
		}
		return condition(ctx)
	}
}

// waitNode waits until the node is ready and has another boot id than before:
// the condition alone may be what it said before its power was cut.
func (l Lab) waitNode(ctx context.Context, client api, name, before string) error {
	err := until(ctx, patience, l.alive(name, func(ctx context.Context) error {
		n, err := client.node(ctx, name)
		if err == nil && (n.condition() != "True" || n.Status.NodeInfo.BootID == before) {
			err = errNotYet
		}
		return err
	}))
	if err != nil {
		return fmt.Errorf("wait for node %s to be ready: %w", name, err)
	}
	return nil
}

// defaultAccount must exist before a pod can be made in the default namespace.
func (a api) defaultAccount(ctx context.Context) error {
	return a.do(ctx, "GET", "/api/v1/namespaces/default/serviceaccounts/default", nil, nil)
}

// patience is how long each wait of a bring-up lasts; a machine under heavy load
// needs several times the usual few seconds.
const patience = 3 * time.Minute

const optionsFile = "lab.json"

func (l Lab) saveOptions(o Options) error {
	data, err := json.MarshalIndent(o, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.State, optionsFile), data, 0o600)
}

func (l Lab) loadOptions() (Options, error) {
	var o Options
	data, err := os.ReadFile(filepath.Join(l.State, optionsFile))
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(data, &o)
}

func ip(ctx context.Context, batch string) error {
	cmd := exec.CommandContext(ctx, "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
