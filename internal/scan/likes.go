// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// sames are the rules of other tools that say what one of ours says, or, under a word, what we have no rule for and several of them have. What a rule of
// another tool says is what it looks for, and not its title alone: its title, and what is left apart and why, stands in the test.
var sames = map[string]string{
	"RES101": "trivy/KSV018 checkov/CKV_K8S_13 kube-linter/unset-memory-requirements-limit kubescape/C-0271",
	"RES102": "trivy/KSV016 checkov/CKV_K8S_12 kube-linter/unset-memory-requirements kubescape/C-0269",
	"RES103": "trivy/KSV015 checkov/CKV_K8S_10 kube-linter/unset-cpu-requirements kubescape/C-0268",
	"PRB101": "checkov/CKV_K8S_9 kube-linter/no-readiness-probe kubescape/C-0018",
	"PRB104": "kube-linter/liveness-port kube-linter/readiness-port kube-linter/startup-port",
	"SEC102": "trivy/KSV012 checkov/CKV_K8S_23 kube-linter/run-as-non-root semgrep/run-as-non-root kubescape/C-0013",
	"SEC104": "trivy/KSV014 checkov/CKV_K8S_22 kube-linter/no-read-only-root-fs semgrep/writable-filesystem-container kubescape/C-0017",
	"SEC105": "trivy/KSV002 trivy/KSV005 trivy/KSV008 trivy/KSV009 trivy/KSV010 trivy/KSV017 trivy/KSV023 trivy/KSV024 trivy/KSV025 trivy/KSV026 " +
		"trivy/KSV027 trivy/KSV103 trivy/KSV119 trivy/KSV120 trivy/KSV121 " +
		"checkov/CKV_K8S_16 checkov/CKV_K8S_17 checkov/CKV_K8S_18 checkov/CKV_K8S_19 checkov/CKV_K8S_26 checkov/CKV_K8S_39 " +
		"kube-linter/privileged-container kube-linter/host-network kube-linter/host-pid kube-linter/host-ipc kube-linter/sensitive-host-mounts " +
		"kube-linter/writable-host-mount kube-linter/unsafe-proc-mount kube-linter/unsafe-sysctls " +
		"semgrep/privileged-container semgrep/hostnetwork-pod semgrep/hostpid-pod semgrep/hostipc-pod semgrep/seccomp-confinement-disabled " +
		"kubescape/C-0038 kubescape/C-0041 kubescape/C-0044 kubescape/C-0045 kubescape/C-0048 kubescape/C-0057",
	"SEC106": "trivy/KSV001 trivy/KSV003 trivy/KSV004 trivy/KSV028 trivy/KSV030 trivy/KSV104 trivy/KSV105 trivy/KSV106 " +
		"checkov/CKV_K8S_20 checkov/CKV_K8S_28 checkov/CKV_K8S_31 checkov/CKV_K8S_37 " +
		"kube-linter/privilege-escalation-container kube-linter/drop-net-raw-capability semgrep/allow-privilege-escalation kubescape/C-0016",
	"IMG101": "trivy/KSV013 checkov/CKV_K8S_14 kube-linter/latest-tag",
	"CFG101": "trivy/KSV109 kube-linter/env-var-secret semgrep/secrets-in-config-file kubescape/C-0012",
	"CFG102": "kube-linter/duplicate-env-var",
	"RBC101": "trivy/KSV044 trivy/KSV045 trivy/KSV046 trivy/KSV112 checkov/CKV_K8S_49 kube-linter/wildcard-in-rules " +
		"semgrep/cluster-role-with-all-access semgrep/legacy-api-clusterrole-excessive-permissions",
	"RBC102": "trivy/KSV041 trivy/KSV043 trivy/KSV047 trivy/KSV053 trivy/KSV054 trivy/KSV114 " +
		"checkov/CKV_K8S_155 checkov/CKV_K8S_156 checkov/CKV_K8S_157 checkov/CKV_K8S_158",
	"RBC103": "trivy/KSV111 trivy/KSV122 trivy/KSV01011 checkov/CKV_K8S_42 kube-linter/cluster-admin-role-binding kubescape/C-0262",
	"RBC104": "trivy/KSV048",
	"WRK101": "kube-linter/mismatching-selector",
	"SET101": "kube-linter/dangling-service",
	"SET106": "kube-linter/non-existent-service-account",
	"SET108": "kube-linter/dangling-horizontalpodautoscaler",
	"SET112": "kube-linter/pdb-max-unavailable kube-linter/pdb-min-available",
	"SET115": "kube-linter/dangling-ingress",
	"MAN105": "kube-linter/no-extensions-v1beta",

	"added-capability":  "trivy/KSV022 checkov/CKV_K8S_25",
	"cpu-limit":         "trivy/KSV011 checkov/CKV_K8S_11 kube-linter/unset-cpu-requirements-limit kubescape/C-0270",
	"default-namespace": "trivy/KSV110 checkov/CKV_K8S_21 kube-linter/use-namespace kubescape/C-0061",
	"docker-socket":     "trivy/KSV006 checkov/CKV_K8S_27 kube-linter/docker-sock semgrep/exposing-docker-socket-hostpath kubescape/C-0074",
	"high-user":         "trivy/KSV020 checkov/CKV_K8S_40",
	"mounted-token":     "trivy/KSV036 checkov/CKV_K8S_38 kubescape/C-0034",
	"no-liveness":       "checkov/CKV_K8S_8 kube-linter/no-liveness-probe kubescape/C-0056",
	"no-network-policy": "checkov/CKV2_K8S_6 kube-linter/non-isolated-pod kubescape/C-0260",
	"privileged-port":   "trivy/KSV117 kube-linter/privileged-ports",
	"secret-variable":   "checkov/CKV_K8S_35 kube-linter/read-secret-from-env-var",
	"tiller":            "trivy/KSV102 checkov/CKV_K8S_34",
}

// likes are which rules of several tools mean the same.
type likes struct {
	what map[string]string // by tool and rule: the rule of ours, or a word where we have none
	wide map[string]bool   // those that several rules of one tool are each a part of
}

// alike says which rules of several tools mean the same as one of ours, or, where we have none, as each other.
var alike = sync.OnceValue(func() likes {
	m := likes{map[string]string{}, map[string]bool{}}
	for same, names := range sames {
		m.what[Ours+"/"+same] = same
		tools := map[string]bool{}
		for name := range strings.FieldsSeq(names) {
			tool, _, _ := strings.Cut(name, "/")
			m.what[name], m.wide[same] = same, m.wide[same] || tools[tool]
			tools[tool] = true
		}
	}
	return m
})

// of returns what a finding means.
func (m likes) of(f *Finding) (what string, known bool) {
	rule := firstName(f.Tool, f.Rule)
	switch f.Tool {
	case "semgrep": // its rules are named after the folders that they lie in, and some have variants
		rule = rule[strings.LastIndexByte(rule, '.')+1:]
		for _, family := range []string{"run-as-non-root", "allow-privilege-escalation"} {
			if strings.HasPrefix(rule, family) {
				rule = family
			}
		}
	case "kube-linter": // its rules about requests are about limits as well
		if strings.HasPrefix(rule, "unset-") && strings.Contains(f.Message, " limit ") {
			rule += "-limit"
		}
	}
	what, known = m.what[f.Tool+"/"+rule]
	return what, known
}

// firstName returns the name that a rule had first: Trivy has called KSV014 AVD-KSV-0014 and KSV-0014 since, and KSV01011 KSV-01011.
func firstName(tool, rule string) string {
	if tool != "trivy" {
		return rule
	}
	family, digits, _ := strings.Cut(strings.TrimPrefix(strings.ToUpper(rule), "AVD-"), "-")
	switch number, err := strconv.Atoi(digits); {
	case err == nil && len(digits) == 4:
		return fmt.Sprintf("%s%03d", family, number)
	case err == nil && len(digits) == 5:
		return family + digits
	}
	return rule
}
