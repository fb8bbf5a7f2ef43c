// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// newTerminal returns a terminal, and the end at which somebody types (pts(4)).
func newTerminal(t *testing.T) (hands, terminal *os.File) {
	t.Helper()
	hands, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hands.Close() })
	if err := unix.IoctlSetPointerInt(int(hands.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(hands.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return hands, terminal
}

// TestConfirm: only yes is yes, and who stops the program instead of answering is not waited for.
func TestConfirm(t *testing.T) {
	o := &fixOptions{ask: newAsk()}
	for typed, yes := range map[string]bool{"y": true, "YES": true, "n": false, "": false, "yesterday": false} {
		hands, terminal := newTerminal(t)
		if _, err := hands.WriteString(typed + "\n"); err != nil {
			t.Fatal(err)
		}
		var notes strings.Builder
		p := &program{IOStreams: genericiooptions.IOStreams{In: newStoppable(t.Context(), terminal), ErrOut: &notes}}
		if err := o.confirm(t.Context(), p, "Change it?"); (err == nil) != yes || notes.String() != "\nChange it? [y/N] " {
			t.Errorf("%q: %v, said %q", typed, err, &notes)
		}
	}
	_, terminal := newTerminal(t)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	var notes strings.Builder
	p := &program{IOStreams: genericiooptions.IOStreams{In: newStoppable(stopped, terminal), ErrOut: &notes}}
	if err := o.confirm(stopped, p, "Change it?"); !errors.Is(err, context.Canceled) || !strings.HasSuffix(notes.String(), "stopped: nothing was changed\n") {
		t.Errorf("stopped: %v, said %q", err, &notes)
	}
}
