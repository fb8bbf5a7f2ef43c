// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Inquest-agent runs on each node of a cluster. It keeps what the node knows of its containers and the API server does
// not, and serves it to whoever Kubernetes lets read it. It observes, and changes nothing unless it is asked to be a canary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/kubeinquest/inquest/internal/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(node.Main(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}
