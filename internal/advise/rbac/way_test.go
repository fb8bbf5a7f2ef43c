// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"testing"
)

// TestWhereWaysHold: what lies in no namespace is not given by a binding in one.
func TestWhereWaysHold(t *testing.T) {
	rules := []string{"get - nodes/proxy", "create - persistentvolumes", "patch - namespaces", "create - pods/exec"}
	for namespace, want := range map[string]string{"": "[1 2 3 4]", "shop": "[3 4]"} {
		var got []int
		for _, w := range (&Advisor{Objects: NewObjects(granted("r", namespace, rules...))}).Advise(cart).Ways {
			got = append(got, w.Rule)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("in %q: %v, want %s", namespace, got, want)
		}
	}
}
