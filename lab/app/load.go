// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// burn uses CPU.
func burn(args []string) error {
	flags := newFlags("burn")
	n := flags.Int("threads", 1, "how many threads")
	if err := flags.Parse(args); err != nil {
		return err
	}
	runtime.GOMAXPROCS(*n + 1)
	for range *n {
		go func() {
			for n := 0; ; n++ {
			}
		}()
	}
	forever()
	return nil
}

// fill writes a file, with content that does not compress.
func fill(args []string) error {
	flags := newFlags("fill")
	path := flags.String("path", "/data/fill", "file")
	size := flags.Int("mib", 100, "MiB in all")
	every := flags.Duration("every", 20*time.Millisecond, "time between two MiB")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := os.Create(*path)
	if err != nil {
		return err
	}
	block := make([]byte, mebibyte)
	noise := rand.NewChaCha8([32]byte{})
	if _, err := noise.Read(block); err != nil {
		return err
	}
	for range *size {
		if _, err := f.Write(block); err != nil {
			return err
		}
		time.Sleep(*every)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	say(os.Stdout, "wrote %d MiB to %s", *size, *path)
	forever()
	return nil
}

// spam logs without end.
func spam(args []string) error {
	flags := newFlags("spam")
	rate := flags.Int("lps", 100, "lines a second")
	width := flags.Int("width", 80, "bytes of padding in a line")
	count := flags.Int("lines", 0, "stop after this many and crash; 0 is never")
	if err := flags.Parse(args); err != nil {
		return err
	}
	padding := strings.Repeat("x", *width)
	pause := time.Second / time.Duration(max(*rate, 1))
	for n := 1; *count == 0 || n <= *count; n++ {
		say(os.Stdout, "line %d %s", n, padding)
		time.Sleep(pause)
	}
	return fmt.Errorf("out of things to say after %d lines", *count)
}

// threads starts processes until a limit (of the pod or the node) stops it.
func threads(args []string) error {
	flags := newFlags("threads")
	n := flags.Int("n", 4096, "how many processes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for i := range *n {
		if err := exec.Command("/bin/sleep", "100000").Start(); err != nil {
			return fmt.Errorf("start worker %d: %w", i+1, err)
		}
	}
	say(os.Stdout, "%d workers run", *n)
	forever()
	return nil
}

// files opens a file again and again until it may not.
func files(args []string) error {
	flags := newFlags("files")
	n := flags.Int("n", 1<<20, "how many")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var open []*os.File
	for len(open) < *n {
		f, err := os.Open("/etc/hostname")
		if err != nil {
			return fmt.Errorf("accept connection %d: %w", len(open)+1, err)
		}
		open = append(open, f)
	}
	say(os.Stdout, "%d files open", len(open))
	forever()
	return nil
}
