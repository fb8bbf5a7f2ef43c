// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "inquest-agent: it watches nodes that run Linux, and runs on Linux alone")
	os.Exit(1)
}
