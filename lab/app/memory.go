// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"time"
)

const mebibyte = 1 << 20

// oom takes memory, page by page so that it counts, until something stops it.
func oom(args []string) error {
	flags := newFlags("oom")
	step := flags.Int("mib", 4, "MiB taken each time")
	every := flags.Duration("every", 50*time.Millisecond, "time between")
	limit := flags.Int("max-mib", 0, "stop growing here and stay; 0 is never")
	after := flags.Duration("after", 0, "how long it is content at first")
	if err := flags.Parse(args); err != nil {
		return err
	}
	say(os.Stdout, "loading cache")
	time.Sleep(*after)
	debug.SetGCPercent(-1)
	var kept [][]byte
	for taken := 0; *limit == 0 || taken < *limit; taken += *step {
		kept = append(kept, touched(*step*mebibyte))
		if taken%32 < *step {
			say(os.Stdout, "cache holds %d MiB", taken+*step)
		}
		time.Sleep(*every)
	}
	say(os.Stdout, "cache loaded: %d blocks", len(kept))
	forever()
	return nil
}

func touched(size int) []byte {
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = byte(i)
	}
	return block
}

// oomChild has a worker process that dies of memory again and again, while the
// container's first process lives on and only logs it.
func oomChild(args []string) error {
	flags := newFlags("oom-child")
	every := flags.Duration("every", 5*time.Second, "rest between two workers")
	times := flags.Int("times", 0, "how many workers; 0 is without end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for n := 1; *times == 0 || n <= *times; n++ {
		cmd := exec.Command("/bin/sh", "-c", "echo 1000 > /proc/self/oom_score_adj; exec "+os.Args[0]+" oom -every=5ms")
		err := cmd.Run()
		say(os.Stderr, "worker %d ended: %s", n, describe(err))
		time.Sleep(*every)
	}
	forever()
	return nil
}

func describe(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprint(err)
}
