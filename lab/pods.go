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

// pods is a program of this source tree that the lab runs as deploy has it, with what is different here.
type pods struct {
	program build.Program
	prepare []string          // what is run on the first node before
	remove  []string          // and once they are gone
	files   []string          // of deploy, in the order in which they are applied
	here    *strings.Replacer // of what they say
	and     string            // a manifest of the lab's own
	steps   [][]string        // what kubectl does then
}

// agentPods are the node agents. They see the host's /proc, and which control groups are the node's own.
func (p *program) agentPods() pods {
	return pods{
		program: build.Agent,
		files:   []string{"agent/agent.yaml", "agent/reader.yaml"},
		here: strings.NewReplacer(
			"image: inquest-agent:latest", "image: "+build.Agent.Image,
			"{path: /proc,", "{path: "+machine.HostProc+",",
			"- --cgroup-root=/host/cgroup", "- --cgroup-root=/host/cgroup\n        - --cgroup-below=inquest-$(NODE_NAME)", // they share the host's
		),
		steps: [][]string{
			{"-n", "inquest", "patch", "daemonset", "inquest-agent", "--patch-file", p.deployed("agent/signals.yaml")},
			{"-n", "inquest", "rollout", "restart", "daemonset/inquest-agent"},
			{"-n", "inquest", "rollout", "status", "daemonset/inquest-agent", "--timeout=90s"},
		},
	}
}

// historyDir is where the first node has the server's history.
const historyDir = "/var/lib/inquest-history"

// serverPods is the server. It writes Events; and as nobody hands out volumes here, its claim is given a folder of the first node.
func (p *program) serverPods() pods {
	return pods{
		program: build.Server,
		prepare: []string{"mkdir", "-p", historyDir},
		remove:  []string{"rm", "-r", "-f", historyDir},
		files:   []string{"rbac/reader.yaml", "rbac/events.yaml", "server/base/server.yaml", "server/agents.yaml", "server/events.yaml"},
		here: strings.NewReplacer(
			"image: inquest:latest", "image: "+build.Server.Image,
			"- --access=cluster", "- --access=cluster\n        - --events",
		),
		and: historyVolume,
		steps: [][]string{
			{"-n", "inquest-server", "rollout", "restart", "deployment/inquest-server"},
			{"-n", "inquest-server", "rollout", "status", "deployment/inquest-server", "--timeout=120s"},
		},
	}
}

const historyVolume = `
---
apiVersion: v1
kind: PersistentVolume
metadata:
  name: inquest-history
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 5Gi}
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: inquest-server, name: inquest-history}
  local: {path: ` + historyDir + `}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: kubernetes.io/hostname, operator: In, values: [n1]}
`

func (p *program) agentUp(ctx context.Context, args []string) error {
	return p.podsUp(ctx, "agent up", p.agentPods(), args)
}

func (p *program) agentDown(ctx context.Context, args []string) error {
	return p.podsDown(ctx, "agent down", p.agentPods(), args)
}

func (p *program) serverUp(ctx context.Context, args []string) error {
	return p.podsUp(ctx, "server up", p.serverPods(), args)
}

func (p *program) serverDown(ctx context.Context, args []string) error {
	return p.podsDown(ctx, "server down", p.serverPods(), args)
}

// podsUp builds a program of this source tree, gives its image to every node, and runs it as deploy has it.
func (p *program) podsUp(ctx context.Context, name string, run pods, args []string) error {
	if _, err := p.parse(newFlags(name), args); err != nil {
		return err
	}
	if err := p.lock(); err != nil {
		return err
	}
	tar, err := p.cache.Program(ctx, run.program)
	if err != nil {
		return err
	}
	nodes, err := p.lab.Nodes()
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := p.onMachine(ctx, node, "ctr", "--namespace", "k8s.io", "images", "import", filepath.Join(machine.CacheDir, tar)); err != nil {
			return fmt.Errorf("give node %s the image of %s: %w", node, run.program.Name, err)
		}
	}
	if run.prepare != nil {
		if err := p.onMachine(ctx, firstNode, run.prepare...); err != nil {
			return fmt.Errorf("prepare node %s: %w", firstNode, err)
		}
	}
	manifests, err := p.manifests(run)
	if err != nil {
		return err
	}
	if err := p.onCluster(ctx, manifests, "apply", "-f", "-"); err != nil {
		return fmt.Errorf("kubectl apply: %w", err)
	}
	for _, step := range run.steps {
		if err := p.onCluster(ctx, nil, step...); err != nil {
			return fmt.Errorf("kubectl %s: %w", strings.Join(step, " "), err)
		}
	}
	return nil
}

// podsDown takes away what podsUp made.
func (p *program) podsDown(ctx context.Context, name string, run pods, args []string) error {
	if _, err := p.parse(newFlags(name), args); err != nil {
		return err
	}
	manifests, err := p.manifests(run)
	if err != nil {
		return err
	}
	if err := p.onCluster(ctx, manifests, "delete", "--ignore-not-found", "-f", "-"); err != nil || run.remove == nil {
		return err
	}
	return p.onMachine(ctx, firstNode, run.remove...)
}

// firstNode is the one that no fault acts on.
const firstNode = "n1"

// deployed is the path of a file of deploy.
func (p *program) deployed(name string) string {
	return filepath.Join(filepath.Dir(p.cache.Source), "deploy", name)
}

// manifests are those of deploy with what is different here.
func (p *program) manifests(run pods) ([]byte, error) {
	if p.cache.Source == "" {
		return nil, build.ErrNoSource
	}
	var all bytes.Buffer
	for _, name := range run.files {
		data, err := os.ReadFile(p.deployed(name))
		if err != nil {
			return nil, err
		}
		all.WriteString("---\n")
		all.Write(data)
	}
	return []byte(run.here.Replace(all.String()) + run.and), nil
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
