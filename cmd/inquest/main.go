// SPDX-License-Identifier: Apache-2.0

// Inquest tells why a container died or a pod does not start, with the proof. It is installed as inquest, as
// kubectl-inquest, which kubectl runs for "kubectl inquest", and as kubectl_complete-inquest, which completes that.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/kubeinquest/inquest/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
