// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/kubeinquest/inquest/lab/internal/image"
)

// AgentImage is the node agent of this repository, as it is in the source tree.
const AgentImage = "lab.local/inquest-agent:v1"

// agentSources are what the agent is built from, below the repository's root.
var agentSources = []string{"cmd/inquest-agent", "internal/evidence", "internal/hostlog", "internal/journal", "internal/node", "internal/record"}

// Agent makes the image of the node agent unless the cache has it, and returns its file's path below the cache.
func (c *Cache) Agent(ctx context.Context) (string, error) {
	if c.Source == "" {
		return "", ErrNoSource
	}
	root := filepath.Dir(c.Source)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return "", err
	}
	key := []string{string(sum), runtime.GOARCH}
	for _, dir := range agentSources {
		files, err := contents(filepath.Join(root, dir))
		if err != nil {
			return "", err
		}
		key = append(key, files...)
	}
	dir, err := c.ensure(ctx, part{name: "agent", key: key, make: func(ctx context.Context, dir string) error { return c.makeAgent(ctx, root, dir) }})
	if err != nil {
		return "", err
	}
	return filepath.Rel(c.Dir, filepath.Join(dir, "agent.tar"))
}

func (c *Cache) makeAgent(ctx context.Context, root, dir string) error {
	file := filepath.Join(dir, "inquest-agent")
	build := append(slices.Clone(agentBuild), "-o", file, "./cmd/inquest-agent")
	if err := c.gotool(ctx, root, nil, build...); err != nil {
		return err
	}
	program, err := os.ReadFile(file)
	if err = errors.Join(err, os.Remove(file)); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(dir, "agent.tar"))
	if err != nil {
		return err
	}
	err = image.Write(out, runtime.GOARCH, []image.Image{agentImage(program)})
	return errors.Join(err, out.Close())
}

// agentBuild is how deploy/agent/Dockerfile builds the agent, and agentImage what it makes of it. A test compares them.
var agentBuild = []string{"build", "-trimpath", "-ldflags", "-s -w"}

func agentImage(program []byte) image.Image {
	return image.Image{
		Tag: AgentImage, Entrypoint: []string{"/inquest-agent"}, User: "65532:65532",
		Files: []image.File{{Path: "/inquest-agent", Mode: 0o755, Data: program}},
	}
}
