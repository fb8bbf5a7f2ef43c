// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package usage

import (
	"fmt"
	"os"
	"path/filepath"
)

// dump prints the files of a container and of its pod, for fixtures, when INQUEST_DUMP is set.
func dump(p *pen, when string) {
	if os.Getenv("INQUEST_DUMP") == "" {
		return
	}
	for _, group := range p.names[len(p.names)-2:] {
		for _, h := range p.hierarchies() {
			entries, _ := os.ReadDir(filepath.Join(cgroups, h, group))
			for _, e := range entries {
				if e.IsDir() {
					continue
				}
				if data, err := os.ReadFile(filepath.Join(cgroups, h, group, e.Name())); err == nil {
					fmt.Printf("-- dump %s: %s --\n%s-- dumped --\n", when, filepath.Join(group, e.Name()), data)
				}
			}
		}
	}
}
