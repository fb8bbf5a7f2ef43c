// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"
)

// crash is an application that gives up: a line on standard error and an exit
// code. Its default message is what a service without its database says.
func crash(args []string) error {
	flags := newFlags("crash")
	after := flags.Duration("after", time.Second, "how long it lives")
	code := flags.Int("code", 1, "exit code")
	msg := flags.String("msg", "FATAL: cannot reach database db.shop.svc:5432: connection refused", "last line of the log")
	termination := flags.String("termination-message", "", "written to /dev/termination-log")
	if err := flags.Parse(args); err != nil {
		return err
	}
	say(os.Stdout, "starting")
	time.Sleep(*after)
	if *termination != "" {
		if err := os.WriteFile("/dev/termination-log", []byte(*termination), 0o644); err != nil {
			return err
		}
	}
	if *msg != "" {
		say(os.Stderr, "%s", *msg)
	}
	os.Exit(*code)
	return nil
}

type cart struct{ total map[string]int }

// gopanic ends as Go programs do: a panic, a trace of the goroutine, exit
// code 2.
func gopanic(args []string) error {
	flags := newFlags("gopanic")
	after := flags.Duration("after", time.Second, "how long it lives")
	kind := flags.String("kind", "nil-map", "nil-map, index or custom")
	if err := flags.Parse(args); err != nil {
		return err
	}
	say(os.Stdout, "serving carts")
	time.Sleep(*after)
	checkout(&cart{}, *kind)
	return nil
}

//go:noinline
func checkout(c *cart, kind string) {
	switch kind {
	case "index":
		prices := make([]int, len(c.total))
		prices[3]++
	case "custom":
		panic(fmt.Errorf("checkout: %w", errors.New("tax table is empty")))
	default:
		c.total["book"] = 1
	}
}

// deadlock ends with the Go runtime's own verdict, exit code 2.
func deadlock([]string) error {
	<-make(chan struct{})
	return nil
}

// segv dies of a real segmentation fault, exit code 139, as a C program would.
// Go turns the fault into a panic, so the kernel's default is put back first;
// a fault, unlike a signal that is sent, ends even the first process of a
// container.
func segv(args []string) error {
	flags := newFlags("segv")
	after := flags.Duration("after", time.Second, "how long it lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	say(os.Stdout, "about to read address 8")
	time.Sleep(*after)
	var restore [4]uintptr // struct sigaction of zeros: SIG_DFL
	const setSize = 8
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV),
		uintptr(unsafe.Pointer(&restore)), 0, setSize, 0, 0); errno != 0 {
		return errno
	}
	say(os.Stdout, "%d", nowhere()[1])
	return nil
}

// nowhere returns nil, unseen by those who look for such mistakes.
func nowhere() *[2]uint64 { return nil }

// die lets a child end by a signal and passes that on as 128+n, like a shell
// that is a container's first process.
func die(args []string) error {
	flags := newFlags("die")
	after := flags.Duration("after", time.Second, "how long it lives")
	sig := flags.Int("signal", int(syscall.SIGABRT), "number of the signal")
	child := flags.Bool("child", false, "be the child")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *child {
		return execSelfKill(*sig)
	}
	time.Sleep(*after)
	cmd := exec.Command(self, "die", "-child", fmt.Sprintf("-signal=%d", *sig))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return err
	}
	say(os.Stderr, "worker %d: %s", exit.Pid(), exit)
	os.Exit(128 + int(status.Signal()))
	return nil
}

// execSelfKill sends the signal from a shell, where no runtime catches it.
func execSelfKill(sig int) error {
	script := fmt.Sprintf("kill -%d $$", sig)
	return syscall.Exec("/bin/sh", []string{"sh", "-c", script}, os.Environ())
}
