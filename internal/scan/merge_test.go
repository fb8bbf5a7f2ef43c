// SPDX-License-Identifier: Apache-2.0

package scan

import "testing"

// TestBaselineAlikes: what other tools call the fields of the baseline level (aquasecurity/trivy-checks, stackrox/kube-linter docs/generated).
func TestBaselineAlikes(t *testing.T) {
	for _, f := range []Finding{{Tool: "trivy", Rule: "AVD-KSV-0024"}, {Tool: "kube-linter", Rule: "unsafe-proc-mount"}, {Tool: "kube-linter", Rule: "unsafe-sysctls"}} {
		if what, _ := alike().of(&f); what != "SEC105" {
			t.Errorf("%s %s is %q", f.Tool, f.Rule, what)
		}
	}
}
