// SPDX-License-Identifier: Apache-2.0

package history

import "fmt"

// A uid is the UID of a pod, which SQLite keeps as its sixteen bytes where it is written as Kubernetes writes most of them. That of a
// static pod is a hash, and is kept as it is.
type uid string

// shortUID returns what a UID is kept as.
func shortUID(text string) any {
	if len(text) != 36 || !isUID([]byte(text)) {
		return text
	}
	_, bytes := value{aUID, text}.binaryOf()
	return bytes
}

// Scan is the inverse of shortUID.
func (u *uid) Scan(kept any) error {
	switch kept := kept.(type) {
	case string:
		*u = uid(kept)
		return nil
	case []byte:
		if len(kept) == sizes[aUID] {
			*u = uid(textOf(aUID, 0, kept))
			return nil
		}
	}
	return fmt.Errorf("%w: %v is not the UID of a pod", errDamaged, kept)
}
