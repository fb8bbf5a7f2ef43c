// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The versions of what comes through the Go module proxy. The Kubernetes
// version stands in hyperkube/go.mod too; a test compares them.
const (
	KubernetesVersion    = "v1.37.2"
	containerdVersion    = "v2.4.2"
	metricsServerVersion = "v0.9.0"
)

// ErrNoSource is returned when a part has to be built and its sources are not
// below the working directory or above it.
var ErrNoSource = errors.New("the lab's sources are not here: run it inside the repository")

// All makes every part that the cache lacks and links their programs into
// bin/, which is what a machine of the lab has in its PATH.
func (c *Cache) All(ctx context.Context) error {
	if c.Source == "" {
		return ErrNoSource
	}
	debian, err := c.ensure(ctx, debianPart())
	if err != nil {
		return err
	}
	kubernetes, err := kubernetesPart(c)
	if err != nil {
		return err
	}
	links := map[string]string{}
	for _, p := range []part{kubernetes, containerdPart(c), metricsServerPart(c)} {
		dir, err := c.ensure(ctx, p)
		if err != nil {
			return err
		}
		if err := linkAll(links, dir); err != nil {
			return err
		}
	}
	images, err := imagesPart(c, debian)
	if err != nil {
		return err
	}
	imageDir, err := c.ensure(ctx, images)
	if err != nil {
		return err
	}
	links["kubectl"] = links["hyperkube"]
	if err := linkDebian(links, debian); err != nil {
		return err
	}
	if err := writeLinks(filepath.Join(c.Dir, "bin"), links); err != nil {
		return err
	}
	return writeLinks(c.Dir, map[string]string{
		"images.tar": filepath.Join(imageDir, "images.tar"),
		"debian":     debian,
	})
}

func linkAll(links map[string]string, dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		links[e.Name()] = filepath.Join(dir, e.Name())
	}
	return err
}

// writeLinks makes relative links, since the machines of the lab see the cache
// in another place.
func writeLinks(dir string, links map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, target := range links {
		relative, err := filepath.Rel(dir, target)
		if err != nil {
			return err
		}
		link := filepath.Join(dir, name)
		if old, err := os.Readlink(link); err == nil && old == relative {
			continue
		}
		if err := os.RemoveAll(link); err != nil {
			return err
		}
		if err := os.Symlink(relative, link); err != nil {
			return err
		}
	}
	return nil
}

func kubernetesPart(c *Cache) (part, error) {
	source := filepath.Join(c.Source, "hyperkube")
	key, err := contents(source)
	if err != nil {
		return part{}, err
	}
	return part{
		name: "kubernetes",
		key:  append(key, KubernetesVersion, runtime.GOARCH),
		make: func(ctx context.Context, dir string) error {
			return c.gotool(ctx, source, nil, "build", "-trimpath", "-ldflags", kubernetesLdflags(), "-o", filepath.Join(dir, "hyperkube"), ".")
		},
	}, nil
}

// kubernetesLdflags sets the version that the programs and the nodes report;
// without it they say v0.0.0-master.
func kubernetesLdflags() string {
	minor := strings.Split(KubernetesVersion, ".")[1]
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X", pkg+".gitVersion="+KubernetesVersion, "-X", pkg+".gitMajor=1",
			"-X", pkg+".gitMinor="+minor, "-X", pkg+".gitTreeState=clean")
	}
	return strings.Join(flags, " ")
}

func containerdPart(c *Cache) part {
	const base = "github.com/containerd/containerd/v2/cmd/"
	return installPart(c, "containerd", containerdVersion, base+"containerd", base+"containerd-shim-runc-v2", base+"ctr")
}

func metricsServerPart(c *Cache) part {
	return installPart(c, "metrics-server", metricsServerVersion, "sigs.k8s.io/metrics-server/cmd/metrics-server")
}

func installPart(c *Cache, name, version string, packages ...string) part {
	args := []string{"install", "-trimpath", "-ldflags", "-s -w"}
	for _, p := range packages {
		args = append(args, p+"@"+version)
	}
	return part{
		name: name,
		key:  append([]string{runtime.GOARCH}, args...),
		make: func(ctx context.Context, dir string) error {
			return c.gotool(ctx, dir, []string{"GOBIN=" + dir}, args...)
		},
	}
}

// gotool runs Go without cgo, so that the programs need nothing of the
// machine's libraries, and outside any workspace.
func (c *Cache) gotool(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append([]string{"CGO_ENABLED=0", "GOWORK=off"}, env...)...)
	cmd.Stdout = c.Log
	cmd.Stderr = c.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", args[0], err)
	}
	return nil
}
