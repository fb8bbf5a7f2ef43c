// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"io/fs"
	"testing/fstest" // its file system in memory, which brings nothing of testing with it
)

// Memory is the files of a bundle, as a history keeps them, as a file system.
func Memory(files map[string][]byte) fs.FS {
	m := fstest.MapFS{}
	for name, data := range files {
		m[name] = &fstest.MapFile{Data: data, Mode: 0o600}
	}
	return m
}
