// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubeinquest/inquest/lab/internal/build"
	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// agentUp builds the node agent of this source tree and runs it on every node, as deploy/agent has it.
func (p *program) agentUp(ctx context.Context, args []string) error {
	if _, err := p.parse(newFlags("agent up"), args); err != nil {
		return err
	}
	if err := p.lock(); err != nil {
		return err
	}
	tar, err := p.cache.Agent(ctx)
	if err != nil {
		return err
	}
	nodes, err := p.lab.Nodes()
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := p.onMachine(ctx, node, "ctr", "--namespace", "k8s.io", "images", "import", filepath.Join(machine.CacheDir, tar)); err != nil {
			return fmt.Errorf("give node %s the agent's image: %w", node, err)
		}
	}
	manifests, err := p.agentManifests()
	if err != nil {
		return err
	}
	for _, step := range []struct {
		text []byte
		args []string
	}{
		{manifests, []string{"apply", "-f", "-"}},
		{nil, []string{"-n", "inquest", "patch", "daemonset", "inquest-agent", "--patch-file", p.agentFile("signals.yaml")}},
		{nil, []string{"-n", "inquest", "rollout", "restart", "daemonset/inquest-agent"}},
		{nil, []string{"-n", "inquest", "rollout", "status", "daemonset/inquest-agent", "--timeout=90s"}},
	} {
		if err := p.onCluster(ctx, step.text, step.args...); err != nil {
			return fmt.Errorf("kubectl %s: %w", strings.Join(step.args, " "), err)
		}
	}
	return nil
}

// agentFile is the path of a file of deploy/agent.
func (p *program) agentFile(name string) string {
	return filepath.Join(filepath.Dir(p.cache.Source), "deploy", "agent", name)
}

// agentDown takes the agent away.
func (p *program) agentDown(ctx context.Context, args []string) error {
	if _, err := p.parse(newFlags("agent down"), args); err != nil {
		return err
	}
	manifests, err := p.agentManifests()
	if err != nil {
		return err
	}
	return p.onCluster(ctx, manifests, "delete", "--ignore-not-found", "-f", "-")
}

// agentManifests are those of deploy/agent with what is different here: the image, where the host's /proc is, and which
// control groups are the node's own.
func (p *program) agentManifests() ([]byte, error) {
	if p.cache.Source == "" {
		return nil, build.ErrNoSource
	}
	var all bytes.Buffer
	for _, name := range []string{"agent.yaml", "reader.yaml"} {
		data, err := os.ReadFile(p.agentFile(name))
		if err != nil {
			return nil, err
		}
		all.WriteString("---\n")
		all.Write(data)
	}
	return []byte(agentHere().Replace(all.String())), nil
}

func agentHere() *strings.Replacer {
	return strings.NewReplacer(
		"image: inquest-agent:latest", "image: "+build.AgentImage,
		"{path: /proc,", "{path: "+machine.HostProc+",",
		"- --cgroup-root=/host/cgroup", "- --cgroup-root=/host/cgroup\n        - --cgroup-below=inquest-$(NODE_NAME)", // they share the host's
	)
}

// onMachine runs a command on a machine.
func (p *program) onMachine(ctx context.Context, name string, argv ...string) error {
	line, environment, err := p.lab.EntryCommand(name, argv)
	if err != nil {
		return err
	}
	return p.runs(exec.CommandContext(ctx, line[0], line[1:]...), environment)
}

// onCluster runs kubectl on the lab, with text as its input.
func (p *program) onCluster(ctx context.Context, text []byte, args ...string) error {
	c := exec.CommandContext(ctx, filepath.Join(p.lab.Cache, "bin", "kubectl"), args...)
	c.Stdin = bytes.NewReader(text)
	return p.runs(c, append(os.Environ(), "KUBECONFIG="+p.lab.Kubeconfig()))
}

func (p *program) runs(c *exec.Cmd, environment []string) error {
	c.Env, c.Stdout, c.Stderr = environment, p.notice, p.notice
	return c.Run()
}
