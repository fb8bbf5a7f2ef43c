// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/kubeinquest/inquest/lab/internal/cluster"
	"github.com/kubeinquest/inquest/lab/internal/machine"
	"github.com/kubeinquest/inquest/lab/internal/registry"
)

// onNode is a command whose only argument is a node.
func (p *program) onNode(name string, args []string, do func(node string) error) error {
	rest, err := p.parse(newFlags("node "+name), args, "NODE")
	if err != nil {
		return err
	}
	return do(rest[0])
}

func (p *program) nodeStop(_ context.Context, args []string) error {
	return p.onNode("stop", args, p.lab.StopNode)
}

func (p *program) nodePartition(ctx context.Context, args []string) error {
	return p.onNode("partition", args, func(node string) error { return p.lab.Partition(ctx, node) })
}

func (p *program) nodeHeal(ctx context.Context, args []string) error {
	return p.onNode("heal", args, func(node string) error { return p.lab.Heal(ctx, node) })
}

func (p *program) nodeFreeze(_ context.Context, args []string) error {
	return p.onNode("freeze-runtime", args, func(node string) error {
		return machine.Signal(p.lab.State, node, "containerd", syscall.SIGSTOP)
	})
}

func (p *program) nodeThaw(_ context.Context, args []string) error {
	return p.onNode("thaw-runtime", args, func(node string) error {
		return machine.Signal(p.lab.State, node, "containerd", syscall.SIGCONT)
	})
}

func (p *program) nodeStart(ctx context.Context, args []string) error {
	flags := newFlags("node start")
	disk := flags.String("disk", "", "give it a disk of its own of this size; 0M takes it away")
	memory := flags.String("memory", "", "give it this much memory; 0M is the host's")
	kubelet := flags.String("kubelet", "", "JSON object to change KubeletConfiguration with; {} undoes it")
	rest, err := p.parse(flags, args, "NODE")
	if err != nil {
		return err
	}
	diskMiB, err := sizeFor(*disk, rest[0])
	if err != nil {
		return err
	}
	memoryMiB, err := sizeFor(*memory, rest[0])
	if err != nil {
		return err
	}
	if err := p.lock(); err != nil {
		return err
	}
	return p.lab.StartNode(ctx, rest[0], func(n *cluster.NodeOptions) {
		if *disk != "" {
			n.DiskMiB = diskMiB
		}
		if *memory != "" {
			n.MemoryMiB = memoryMiB
		}
		if *kubelet != "" {
			n.Kubelet = *kubelet
		}
	})
}

// onUnit is a command on one program of one machine.
func (p *program) onUnit(name string, args []string, do func(state, machine, unit string) error) error {
	rest, err := p.parse(newFlags("unit "+name), args, "MACHINE", "UNIT")
	if err != nil {
		return err
	}
	return do(p.lab.State, rest[0], rest[1])
}

func (p *program) unitStop(_ context.Context, args []string) error {
	return p.onUnit("stop", args, func(s, m, u string) error { return machine.Switch(s, m, u, false) })
}

func (p *program) unitStart(_ context.Context, args []string) error {
	return p.onUnit("start", args, func(s, m, u string) error { return machine.Switch(s, m, u, true) })
}

func (p *program) unitFreeze(_ context.Context, args []string) error {
	return p.onUnit("freeze", args, func(s, m, u string) error { return machine.Signal(s, m, u, syscall.SIGSTOP) })
}

func (p *program) unitThaw(_ context.Context, args []string) error {
	return p.onUnit("thaw", args, func(s, m, u string) error { return machine.Signal(s, m, u, syscall.SIGCONT) })
}

func (p *program) kill(_ context.Context, args []string) error {
	flags := newFlags("kill")
	signal := flags.Int("signal", int(syscall.SIGKILL), "number of the signal")
	rest, err := p.parse(flags, args, "NODE", "NAMESPACE/POD", "CONTAINER")
	if err != nil {
		return err
	}
	namespace, pod, ok := strings.Cut(rest[1], "/")
	if !ok {
		namespace, pod = "default", rest[1]
	}
	pid, err := p.lab.Kill(rest[0], namespace, pod, rest[2], syscall.Signal(*signal))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.notice, "sent signal %d to process %d\n", *signal, pid)
	return err
}

func (p *program) logs(_ context.Context, args []string) error {
	rest, err := p.parse(newFlags("logs"), args, "[MACHINE/]COMPONENT")
	if err != nil {
		return err
	}
	return p.lab.Logs(rest[0], p.out)
}

// exec becomes the command, so that its terminal, signals and exit code are
// its own.
func (p *program) exec(_ context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("exec: name a machine: lab exec n1 -- COMMAND")
	}
	argv := args[1:]
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	line, environment, err := p.lab.EntryCommand(args[0], argv)
	if err != nil {
		return err
	}
	file, err := exec.LookPath(line[0])
	if err != nil {
		return err
	}
	return syscall.Exec(file, line, environment)
}

func (p *program) kubectl(_ context.Context, args []string) error {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	environment := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "KUBECONFIG=") })
	return syscall.Exec(filepath.Join(p.lab.Cache, "bin", "kubectl"), append([]string{"kubectl"}, args...),
		append(environment, "KUBECONFIG="+p.lab.Kubeconfig()))
}

// registry is what the control plane's unit of that name runs.
func (p *program) registry(ctx context.Context, args []string) error {
	flags := newFlags("registry")
	listen := flags.String("listen", "", "address of the registry")
	dns := flags.String("dns", "", "address of the name server")
	hosts := map[string]net.IP{}
	flags.Func("host", "NAME=ADDRESS the name server knows", func(text string) error {
		name, address, _ := strings.Cut(text, "=")
		if hosts[name] = net.ParseIP(address); hosts[name] == nil {
			return fmt.Errorf("no address in %q", text)
		}
		return nil
	})
	if _, err := p.parse(flags, args); err != nil {
		return err
	}
	return registry.Serve(ctx, *listen, *dns, hosts)
}
