// SPDX-License-Identifier: Apache-2.0

// App is the program inside the lab's container images. Each mode is one way
// for a workload to live or to die; under the name pause it is the sandbox's
// first process.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// modes maps a name to what it does. A mode that returns nil ends with exit
// code 0, one that returns an error with 1.
var modes = map[string]func(args []string) error{
	"pause":     pause,
	"sleep":     sleep,
	"crash":     crash,
	"gopanic":   gopanic,
	"deadlock":  deadlock,
	"segv":      segv,
	"die":       die,
	"oom":       oom,
	"oom-child": oomChild,
	"serve":     serve,
	"get":       get,
	"dial":      dial,
	"burn":      burn,
	"fill":      fill,
	"spam":      spam,
	"threads":   threads,
	"files":     files,
}

// self is the image's own program, to run once more as a child.
const self = "/proc/self/exe"

func main() {
	args := os.Args
	if name := filepath.Base(args[0]); name != "pause" {
		args = args[1:]
	}
	if len(args) == 0 {
		usage()
	}
	mode, ok := modes[filepath.Base(args[0])]
	if !ok {
		usage()
	}
	err := mode(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		say(os.Stderr, "fatal: %v", err)
		os.Exit(1)
	}
}

func usage() {
	var names []string
	for name := range modes {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "usage: app %s [flags]\n", strings.Join(names, "|"))
	os.Exit(2)
}

// say writes one log line with a time in front, as most programs do.
func say(f *os.File, format string, args ...any) {
	fmt.Fprintln(f, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), fmt.Sprintf(format, args...))
}

func newFlags(mode string) *flag.FlagSet {
	return flag.NewFlagSet(mode, flag.ContinueOnError)
}

// forever never returns. It is not select{}: with a single goroutine that is a
// deadlock, which the runtime ends.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}
