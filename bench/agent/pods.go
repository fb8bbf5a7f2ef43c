// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const namespace = "bench-cost"

// spell is a shell's command that logs so many bytes a second, as they are in the log.
func spell(rate float64) string {
	line := `level=info msg="request handled" path=/api/v1/things status=200 duration=1.234ms` + "\n"
	const head = len("2026-01-02T03:04:05.123456789Z stdout F ")
	block := strings.Repeat(line, max(1, int(rate)/16/(len(line)+head)))
	return fmt.Sprintf("x='%s'\nx=$x$x$x$x\nx=$x$x$x$x\nwhile :; do printf %%s \"$x\"; sleep 1; done", block)
}

// podsUp runs pods on the node, each with so many containers that do the same, and waits for them.
func (b *bench) podsUp(ctx context.Context, pods, containers int, command string) error {
	type object = map[string]any
	items := []object{{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": namespace}}}
	for i := range pods {
		var list []object
		for j := range containers {
			list = append(list, object{"name": fmt.Sprintf("c%d", j), "image": b.image, "command": []string{"/bin/sh", "-c", command}})
		}
		items = append(items, object{
			"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": fmt.Sprintf("p%d", i), "namespace": namespace},
			"spec": object{"nodeName": b.node, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false, "containers": list},
		})
	}
	text, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		return err
	}
	if err := b.kube(ctx, text, "create", "-f", "-"); err != nil {
		return err
	}
	return b.kube(ctx, nil, "-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=400s")
}

// podsDown removes them, also where the program is told to end.
func (b *bench) podsDown() {
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	defer stop()
	if err := b.kube(ctx, nil, "delete", "namespace", namespace, "--ignore-not-found"); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

func (b *bench) kube(ctx context.Context, text []byte, args ...string) error {
	c := exec.CommandContext(ctx, b.kubectl, args...)
	c.Stdin = bytes.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// logged is how many bytes the pods have logged so far, as far as their logs were not rotated.
func (b *bench) logged() (sum int64) {
	root := fmt.Sprintf("/proc/%d/root/var/log/pods/", b.enter)
	files, err := filepath.Glob(root + namespace + "_*/*/*.log*")
	if err != nil {
		return 0
	}
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
