// SPDX-License-Identifier: Apache-2.0

// Package collect holds the sources of snapshots: a live cluster, a bundle in files. What a source cannot read is a
// gap in the snapshot, and what is secret is masked before the snapshot exists.
package collect
