// SPDX-License-Identifier: Apache-2.0

// Package evidence holds what is known about a cluster at one moment.
//
// A Snapshot is an immutable value: the objects, Events, logs and facts that a source could read, and as a Gap
// everything that it could not. Package collect builds it; rules read it; nothing here does I/O, logs or asks the
// clock. The unit of the question is the Attempt, one run of one container from start to end; the unit of the answer
// is the Fact, one observation that says where it can be seen again.
package evidence
