// SPDX-License-Identifier: Apache-2.0

package main

// categories are what the causes of rules are called in cases, by the id of the rule. One rule may stand for several,
// where it tells them apart in its message only.
var categories = map[string][]string{
	"CFG001": {"config-missing-configmap"},
	"CFG002": {"config-missing-secret"},
	"CFG003": {"config-missing-key", "config-missing-secret", "config-missing-configmap"},
	"DEL002": {"stuck-terminating", "node-lost"},
	"EVC001": {"node-pressure-eviction"},
	"EVC002": {"ephemeral-storage-limit", "eviction-storage-limit"},
	"EXT001": {"app-error", "config-missing-env", "app-permission-uid", "dependency-down"},
	"EXT002": {"app-panic", "app-error"},
	"EXT003": {"command-not-found", "app-command", "exec-format"},
	"EXT004": {"app-exits-normally", "config-missing-env"},
	"IMG001": {"image-not-found"},
	"IMG002": {"image-auth", "image-not-found"},
	"IMG003": {"image-registry-unreachable", "image-registry-tls"},
	"IMG004": {"image-name-invalid"},
	"IMG005": {"image-never-pull"},
	"INI001": {"init-container"},
	"MEM001": {"oom-container"},
	"MEM002": {"oom-container", "oom-child"},
	"NOD001": {"node-not-ready", "node-lost"},
	"NOD002": {"node-restarted"},
	"PRB001": {"probe-liveness"},
	"PRB002": {"probe-startup"},
	"PRB003": {"probe-readiness"},
	"SCH001": {"sched-insufficient-resources"},
	"SCH002": {"sched-taints"},
	"SCH003": {"sched-node-selector", "sched-affinity"},
}
