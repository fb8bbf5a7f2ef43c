// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	manifests, err := p.agentManifests(filepath.Base(filepath.Dir(tar)))
	if err != nil {
		return err
	}
	if err := p.onCluster(ctx, manifests, "apply", "-f", "-"); err != nil {
		return err
	}
	return p.onCluster(ctx, nil, "-n", "inquest", "rollout", "status", "daemonset/inquest-agent", "--timeout=90s")
}

// agentDown takes the agent away.
func (p *program) agentDown(ctx context.Context, args []string) error {
	if _, err := p.parse(newFlags("agent down"), args); err != nil {
		return err
	}
	manifests, err := p.agentManifests("")
	if err != nil {
		return err
	}
	return p.onCluster(ctx, manifests, "delete", "--ignore-not-found", "-f", "-")
}

// agentManifests are those of deploy/agent with what is different here: the image, where the host's /proc is, and a mark by which
// another build is another pod.
func (p *program) agentManifests(version string) ([]byte, error) {
	if p.cache.Source == "" {
		return nil, build.ErrNoSource
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(p.cache.Source), "deploy", "agent", "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all bytes.Buffer
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all.WriteString("---\n")
		all.Write(data)
	}
	return []byte(agentHere(version).Replace(all.String())), nil
}

func agentHere(version string) *strings.Replacer {
	return strings.NewReplacer(
		"image: ghcr.io/kubeinquest/inquest-agent:latest", "image: "+build.AgentImage,
		"path: /proc\n", "path: "+machine.HostProc+"\n",
		"kubeinquest.io/build: release", "kubeinquest.io/build: "+version,
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
