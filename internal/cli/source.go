// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"io/fs"
	"os"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// source returns where the evidence comes from. This is the one place where the sources are known.
func (a *ask) source(p *program) (diagnosis.Source, error) {
	if a.from != "" {
		fsys, err := openArchive(a.from)
		if err != nil {
			return nil, err
		}
		return collect.Bundle{FS: fsys}, nil
	}
	return nil, errors.New("no cluster yet")
}

func openArchive(name string) (fs.FS, error) { return os.DirFS(name), nil }
