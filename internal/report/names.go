// SPDX-License-Identifier: Apache-2.0

package report

import "strings"

// Names returns the things that causes are about as kubectl's -o name does: one TYPE/NAME a line, each once.
func Names(reports []Report) string {
	var lines []string
	for i := range reports {
		for _, c := range reports[i].Causes {
			if c.About.Kind != "" {
				lines = add(lines, Escape(c.About.typeName())+"\n")
			}
		}
	}
	return strings.Join(lines, "")
}
