// SPDX-License-Identifier: Apache-2.0

// Package heap keeps Go's collector from running before there is anything for it to clear away. What clients of Kubernetes make before
// main is called, tables that stay, comes to 3 MiB, where it would run for the first time: a fifth of what a short command takes. It
// imports next to nothing, so that it is there before them.
package heap

import (
	"os"
	"runtime/debug"
)

// usual is what the collector was set to: by GOGC, which counts where it is given, or 100.
var usual = later()

func later() int {
	if os.Getenv("GOGC") != "" {
		return 0
	}
	return debug.SetGCPercent(400) // a heap of 16 MiB
}

// Settle sets the collector to what is usual. Commands that ask a cluster, or stay, begin with it.
func Settle() {
	if usual != 0 {
		debug.SetGCPercent(usual)
	}
}
