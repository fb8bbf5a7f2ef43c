// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) collect() *cobra.Command { return &cobra.Command{Use: "collect"} }
