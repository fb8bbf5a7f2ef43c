// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubeinquest/inquest/internal/rules"
)

// TestHelp: the help of every command is readable in 80 columns, under either name of the program's.
func TestHelp(t *testing.T) {
	for _, name := range []string{"inquest", "kubectl inquest"} {
		var out bytes.Buffer
		p := &program{genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out}, name, rules.All()}
		var walk func(cmd *cobra.Command)
		walk = func(cmd *cobra.Command) {
			out.Reset()
			if err := cmd.Help(); err != nil {
				t.Errorf("%s: %v", cmd.CommandPath(), err)
			}
			for line := range strings.Lines(out.String()) {
				if line = strings.TrimSuffix(line, "\n"); len([]rune(line)) > 80 && !strings.Contains(line, name+" ") { // a command line is not broken
					t.Errorf("%s: longer than 80 columns: %q", cmd.CommandPath(), line)
				}
			}
			for _, sub := range cmd.Commands() {
				walk(sub)
			}
		}
		walk(p.root())
	}
}
