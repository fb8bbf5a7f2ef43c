// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// A command is one line of the help text. One with sub has no run.
type command struct {
	name    string
	args    string
	summary string // empty: not for people
	run     func(p *program, ctx context.Context, args []string) error
	sub     []command
}

// commands is the whole command line: a new command is a line here.
var commands = []command{
	{name: "up", args: "[flags]", summary: "build what is missing and bring the lab up", run: (*program).up},
	{name: "down", args: "[--keep|--wipe]", summary: "take the lab down and remove its state", run: (*program).down},
	{name: "status", summary: "say what is up", run: (*program).status},
	{name: "kubeconfig", args: "[--user NAME]", summary: "print the path of a kubeconfig", run: (*program).kubeconfig},
	{name: "kubectl", args: "-- ARGS", summary: "run the lab's kubectl on the lab", run: (*program).kubectl},
	{name: "node", sub: []command{
		{name: "stop", args: "NODE", summary: "cut its power", run: (*program).nodeStop},
		{name: "start", args: "NODE [flags]", summary: "boot it, or add it", run: (*program).nodeStart},
		{name: "partition", args: "NODE", summary: "pull its network cable", run: (*program).nodePartition},
		{name: "heal", args: "NODE", summary: "plug the cable in again", run: (*program).nodeHeal},
		{name: "freeze-runtime", args: "NODE", summary: "stop containerd in its tracks", run: (*program).nodeFreeze},
		{name: "thaw-runtime", args: "NODE", summary: "let containerd go on", run: (*program).nodeThaw},
	}},
	{name: "agent", sub: []command{
		{name: "up", summary: "build the node agent of this source tree and run it on every node", run: (*program).agentUp},
		{name: "down", summary: "take it away", run: (*program).agentDown},
	}},
	{name: "server", sub: []command{
		{name: "up", summary: "build the server of this source tree and run it as a pod, once the agents are up", run: (*program).serverUp},
		{name: "down", summary: "take it away, and its history", run: (*program).serverDown},
	}},
	{name: "unit", sub: []command{
		{name: "stop", args: "MACHINE UNIT", summary: "kill a program and keep it down", run: (*program).unitStop},
		{name: "start", args: "MACHINE UNIT", summary: "let it run again", run: (*program).unitStart},
		{name: "freeze", args: "MACHINE UNIT", summary: "stop it in its tracks", run: (*program).unitFreeze},
		{name: "thaw", args: "MACHINE UNIT", summary: "let it go on", run: (*program).unitThaw},
	}},
	{name: "kill", args: "NODE NAMESPACE/POD CONTAINER [--signal N]", summary: "signal a container's first process, as a stranger would", run: (*program).kill},
	{name: "fault", sub: []command{
		{name: "list", summary: "list the faults that can be made, with what a diagnosis must find", run: (*program).faultList},
		{name: "apply", args: "NAME", summary: "make one and wait until it is established", run: (*program).faultApply},
		{name: "clear", args: "NAME", summary: "take it back", run: (*program).faultClear},
	}},
	{name: "record", args: "NAME OUT", summary: "make a fault, save the evidence as a bundle, take it back", run: (*program).record},
	{name: "record-all", args: "FOLDER", summary: "do so with every fault", run: (*program).recordAll},
	{name: "exec", args: "MACHINE -- COMMAND", summary: "run a command on a node, or on cp", run: (*program).exec},
	{name: "logs", args: "[MACHINE/]COMPONENT", summary: "print the log of a component, or audit", run: (*program).logs},
	{name: "build", summary: "build what is missing, and no more", run: (*program).build},
	{name: machine.InitCommand, run: func(_ *program, _ context.Context, args []string) error { return machine.Init(args) }},
	{name: "registry", run: (*program).registry},
}

// dispatch runs the command of the table that the first argument names.
func (p *program) dispatch(ctx context.Context, table []command, path string, args []string) error {
	if len(args) > 0 {
		for _, c := range table {
			switch {
			case c.name != args[0]:
			case c.sub != nil:
				return p.dispatch(ctx, c.sub, path+" "+c.name, args[1:])
			default:
				return c.run(p, ctx, args[1:])
			}
		}
	}
	p.help(table, path)
	return errUsage
}

func (p *program) help(table []command, path string) {
	for _, c := range table {
		switch {
		case c.sub != nil:
			p.help(c.sub, path+" "+c.name)
		case c.summary != "":
			line := strings.Join([]string{path, c.name, c.args}, " ")
			fmt.Fprintf(p.notice, "%-60s  %s\n", strings.TrimSpace(line), c.summary)
		}
	}
}

// parse reads flags before, between and after the arguments, of which there
// must be as many as names; what follows -- is left alone.
func (p *program) parse(flags *flag.FlagSet, args []string, names ...string) ([]string, error) {
	flags.SetOutput(p.notice)
	flags.Usage = func() {
		fmt.Fprintf(p.notice, "usage: lab %s\n", strings.Join(append([]string{flags.Name()}, names...), " "))
		flags.PrintDefaults()
	}
	var rest []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, errUsage
		}
		if flags.NArg() == 0 {
			break
		}
		rest = append(rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
	if len(rest) != len(names) {
		flags.Usage()
		return nil, errUsage
	}
	return rest, nil
}

// newFlags names a flag set after its command.
func newFlags(name string) *flag.FlagSet {
	return flag.NewFlagSet(name, flag.ContinueOnError)
}
