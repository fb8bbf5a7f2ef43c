// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubeinquest/inquest/internal/collect"
)

// flagError says what was probably meant by a flag that there is not.
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) {
		return fmt.Errorf("%w, see %q", err, cmd.CommandPath()+" --help")
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	name := missing.GetSpecifiedName()
	if near, ok := nearest(name, names); ok {
		return fmt.Errorf("%w, did you mean --%s?", err, near)
	}
	return fmt.Errorf("%w, see %q", err, cmd.CommandPath()+" --help")
}

// nearest returns what a word was most probably meant to be.
func nearest(word string, candidates []string) (string, bool) {
	near := collect.Nearest(word, candidates)
	if len(near) == 0 {
		return "", false
	}
	return near[0], true
}
