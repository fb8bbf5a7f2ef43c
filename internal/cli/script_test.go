// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	program := func() { os.Exit(Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
	testscript.Main(m, map[string]func(){
		"inquest": program, "kubectl-inquest": program, "kubectl_complete-inquest": program,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status, "refuse": refuse},
	})
}

// status runs a command and compares its exit status: status 2 inquest why.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status is %d, want %d", got, want)
	}
}

// refuse runs a command that must fail with the message on one line of standard error, and nothing on standard output:
// refuse 'unknown type' inquest why x/y.
func refuse(ts *testscript.TestScript, _ bool, args []string) {
	if ts.Exec(args[1], args[2:]...) == nil {
		ts.Fatalf("it was accepted")
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("it printed %q", out)
	}
	message := ts.ReadFile("stderr")
	if strings.Count(message, "\n") != 1 || !strings.HasPrefix(message, "error: ") {
		ts.Fatalf("the message is not one line: %q", message)
	}
	if !strings.Contains(message, args[0]) {
		ts.Fatalf("the message does not say %q: %s", args[0], message)
	}
}
