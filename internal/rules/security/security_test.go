// SPDX-License-Identifier: Apache-2.0

package security

import (
	"testing"

	"github.com/kubeinquest/inquest/internal/diagnosis/ruletest"
)

func TestRules(t *testing.T) { ruletest.Run(t, Rules, Sets) }
