// SPDX-License-Identifier: Apache-2.0

//go:build unix

package ring

import (
	"fmt"
	"os"
	"syscall"
)

// lock keeps a second agent from writing to the same ring; it ends with the process.
func lock(root *os.Root) (*os.File, error) {
	f, err := root.OpenFile("lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another agent has it open: %w", err)
	}
	return f, nil
}
