// SPDX-License-Identifier: Apache-2.0

// Package tell makes known what the recorder found out: to people, by Alertmanager, webhooks, chat and mail, and by
// Kubernetes Events; to machines, by metrics and traces.
//
// What is to be told comes from the outbox of history, once for each state of an incident and each target, and is
// acknowledged after the target took it: what a crash or an outage left is told afterwards. Who takes a message twice
// can tell by its key. Text from the cluster is escaped for where it goes, and masked once more. Addresses of targets are
// secrets, as most carry a token: errors and logs name a target as the configuration does, or by its host.
package tell
