// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// LooksLikeHostLog tells whether a text is the log of a node's kernel or services.
func LooksLikeHostLog(string) bool { return false }

// ParseHostLog reads the log of a node.
func ParseHostLog(string, string, time.Time) []evidence.Fact { return nil }
