// SPDX-License-Identifier: Apache-2.0

// Package report shows a diagnosis to people and to programs. It reads no clock and touches nothing outside: the same
// diagnosis gives the same bytes. Text that came from the cluster is escaped here, once, where it enters the output.
package report
