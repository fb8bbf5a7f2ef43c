// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubeinquest/inquest/internal/history"
)

func (p *program) historyMigrate() *cobra.Command {
	o := &historyOptions{}
	var version int64
	cmd := &cobra.Command{
		Use:   "migrate --to VERSION",
		Short: "Bring the tables of a history to the version of an older program",
		Long: fmt.Sprintf(`Bring the tables of a history to another version, before an older program is to
use it: that names the one that it knows, when it refuses a newer one. Forward
"serve" goes by itself. No program may have the history open. This one knows
version %d and the ones before it; what an older one has no place for is lost.`, history.Version),
		Example: p.examples(fmt.Sprintf("  %%[1]s history migrate --db prod.db --to %d", history.Version-1)),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := o.file()
			if err != nil {
				return err
			}
			if !strings.Contains(file, "://") {
				if _, err := os.Stat(file); err != nil {
					return fmt.Errorf("migrate a history: %w", err)
				}
			}
			if err := history.Migrate(cmd.Context(), file, version); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.ErrOut, "the tables are of version %d\n", version)
			return err
		},
	}
	cmd.Flags().StringVar(&o.database, "db", "", "where the history is: a `file`, or postgres://…; default is the only file in the folder where serve keeps its own")
	cmd.Flags().Int64Var(&version, "to", 0, "the `version`")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // cannot happen: the flag was bound just before
	}
	return cmd
}
