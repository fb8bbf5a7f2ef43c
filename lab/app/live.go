// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// pause reaps what is reparented to it and leaves when told to.
func pause([]string) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return nil
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
	return nil
}

func sleep(args []string) error {
	flags := newFlags("sleep")
	duration := flags.Duration("for", 0, "how long; 0 is for ever")
	stubborn := flags.Bool("ignore-term", false, "do not leave on SIGTERM: only SIGKILL ends it")
	code := flags.Int("code", 0, "exit code at the end of -for")
	onTerm := flags.Int("term-code", 143, "exit code on SIGTERM")
	if err := flags.Parse(args); err != nil {
		return err
	}
	say(os.Stdout, "sleeping")
	terms := make(chan os.Signal, 4)
	signal.Notify(terms, syscall.SIGTERM)
	var end <-chan time.Time
	if *duration > 0 {
		end = time.After(*duration)
	}
	for {
		select {
		case <-terms:
			say(os.Stdout, "received SIGTERM")
			if !*stubborn {
				os.Exit(*onTerm)
			}
		case <-end:
			os.Exit(*code)
		}
	}
}
