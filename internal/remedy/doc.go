// SPDX-License-Identifier: Apache-2.0

// Package remedy carries fixes out. It alone may write to a cluster, and only through its guard.
//
// A Plan is a value: the object as it is, what the API server made of the fix in a dry run, what differs, what restarts,
// what would refute the fix and what undoes it. Its guard looks at the plan and at the object again before each act, and
// says in one sentence why not. An act is a patch of one object, with its UID and resource version in the patch itself, so
// that the API server refuses it where the object has become another. Each act leaves an Event and a line in a journal,
// from which it can be undone. A Watch tells afterwards whether the fix has helped.
//
// The package knows neither rules nor collectors: masking secrets and diagnosing again are functions that it is given.
package remedy
