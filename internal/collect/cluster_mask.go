// SPDX-License-Identifier: Apache-2.0

package collect

import "github.com/kubeinquest/inquest/internal/evidence"

func mask(evidence.Object) {}

func maskText(s string) (string, int) { return s, 0 }
