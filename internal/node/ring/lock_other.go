// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package ring

import "os"

// lock opens the file alone: no agent runs on such a system.
func lock(root *os.Root) (*os.File, error) {
	return root.OpenFile("lock", os.O_CREATE|os.O_RDWR, 0o600)
}
