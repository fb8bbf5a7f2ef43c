// SPDX-License-Identifier: Apache-2.0

// Package history is the memory of the recorder: deaths, what was told of them and on what evidence, the incidents they
// belong to, Kubernetes Events beyond their hour, and what could not be seen. It lies in a file of SQLite, in memory or
// in PostgreSQL; the queries are the same.
//
// All writes go through one goroutine, which commits what came in the meantime as one transaction; whoever wrote is
// answered after the commit. What is written twice is there once.
//
// Reading is bounded by rights: whoever may see some namespaces only is shown that part of an incident, with its
// counts, and never learns of the rest.
package history
