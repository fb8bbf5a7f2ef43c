// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// StopNode cuts a node's power: everything on it ends at once, its disk stays.
func (l Lab) StopNode(name string) error {
	if err := l.known(name); err != nil {
		return err
	}
	return machine.Stop(l.State, name)
}

// StartNode boots a node, one that was stopped or a new one, and waits until
// it says of itself that it is ready. change adapts the options it had.
func (l Lab) StartNode(ctx context.Context, name string, change func(*NodeOptions)) error {
	o, err := l.loadOptions()
	if err != nil {
		return errDown
	}
	i := slices.IndexFunc(o.Nodes, func(n NodeOptions) bool { return n.Name == name })
	if i < 0 {
		i = len(o.Nodes)
		o.Nodes = append(o.Nodes, NodeOptions{Name: name})
		if i > 0 {
			o.Nodes[i].MaxBackoff = o.Nodes[0].MaxBackoff
		}
	}
	change(&o.Nodes[i])
	if err := o.Nodes[i].Validate(); err != nil {
		return err
	}
	spec, err := l.nodeSpec(o.Nodes[i], l.environment())
	if err != nil {
		return err
	}
	client, err := l.newAPI()
	if err != nil {
		return err
	}
	before, _ := client.node(ctx, name) // a new node has no boot id yet
	if err := machine.Start(ctx, spec); err != nil {
		return err
	}
	if err := l.saveOptions(o); err != nil {
		return err
	}
	return l.waitNode(ctx, client, name, before.Status.NodeInfo.BootID)
}

// Partition pulls a machine's network cable; Heal puts it back.
func (l Lab) Partition(ctx context.Context, name string) error {
	return l.plug(ctx, name, false)
}

// Heal undoes Partition.
func (l Lab) Heal(ctx context.Context, name string) error {
	return l.plug(ctx, name, true)
}

func (l Lab) plug(ctx context.Context, name string, in bool) error {
	if machine.Pid(l.State, name) == 0 {
		return fmt.Errorf("%s: %w", name, machine.ErrDown)
	}
	return machine.Plug(ctx, name, in)
}

// errDown is what commands say that need a lab.
var errDown = errors.New("the lab is not up: bring it up with lab up")

// known makes sure that the lab is up and has the node.
func (l Lab) known(name string) error {
	o, err := l.loadOptions()
	if err != nil {
		return errDown
	}
	for _, n := range o.Nodes {
		if n.Name == name {
			return nil
		}
	}
	return fmt.Errorf("there is no node %q, only %s", name, strings.Join(o.Machines()[1:], ", "))
}

// Kill sends a signal to the first process of a container, from outside the
// container and without telling kubelet, and returns the process's number.
func (l Lab) Kill(node, namespace, pod, container string, signal syscall.Signal) (int, error) {
	if err := l.known(node); err != nil {
		return 0, err
	}
	pid, err := machine.ContainerPid(l.State, node, namespace, pod, container)
	if err != nil {
		return 0, err
	}
	// From a shell, as people do it: it is there for a moment afterwards, and its name tells more than ours.
	out, err := exec.Command("sh", "-c", fmt.Sprintf("kill -%d %d; sleep 0.3", signal, pid)).CombinedOutput()
	if err == nil && len(out) > 0 {
		err = errors.New(strings.TrimSpace(string(out)))
	}
	return pid, err
}

// Nodes are the names of the lab's nodes that are up.
func (l Lab) Nodes() ([]string, error) {
	o, err := l.loadOptions()
	if err != nil {
		return nil, errDown
	}
	var names []string
	for _, n := range o.Nodes {
		if machine.Pid(l.State, n.Name) != 0 {
			names = append(names, n.Name)
		}
	}
	return names, nil
}

// EntryCommand is the command line that runs argv in a machine's namespaces.
// An empty argv is a shell.
func (l Lab) EntryCommand(name string, argv []string) (command, environment []string, err error) {
	entry, err := machine.Entry(l.State, name)
	if err != nil {
		return nil, nil, err
	}
	if len(argv) == 0 {
		argv = []string{"/bin/sh"}
	}
	return append(entry, argv...), append(l.environment(), "TERM="+os.Getenv("TERM")), nil
}

// Logs copies the log of a component: "kubelet" (of every node that has one),
// "n1/kubelet", "audit", "n2/init".
func (l Lab) Logs(component string, out io.Writer) error {
	where, unit, ok := strings.Cut(component, "/")
	if !ok {
		where, unit = "*", component
	}
	files, err := filepath.Glob(filepath.Join(machine.Dir(l.State, where), "log", unit+".log"))
	if err != nil || len(files) == 0 {
		known, _ := filepath.Glob(filepath.Join(machine.Dir(l.State, "*"), "log", "*.log")) // well formed
		for i, file := range known {
			known[i] = strings.TrimSuffix(strings.TrimPrefix(file, filepath.Join(l.State, "machines")+"/"), ".log")
			known[i] = strings.Replace(known[i], "/log/", "/", 1)
		}
		return fmt.Errorf("there is no log of %q, only of %s", component, strings.Join(known, ", "))
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
