// SPDX-License-Identifier: Apache-2.0

// Inquest tells why a container died or a pod does not start, with the proof. It is installed as inquest, as
// kubectl-inquest, which kubectl runs for "kubectl inquest", and as kubectl_complete-inquest, which completes that.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"k8s.io/klog/v2"

	"github.com/kubeinquest/inquest/internal/cli"
)

func main() {
	runtime.MemProfileRate = 0 // nobody reads that profile, and its table of stacks grows for as long as the program runs
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)                      // whoever asks twice is not kept waiting
	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // the Kubernetes client logs errors that it also returns
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
