// SPDX-License-Identifier: Apache-2.0

// Package watch hears of each death in a cluster while its evidence exists, has it captured and diagnosed by the same
// collector and rules as the command line, and gives it to history. docs/design/0003-recorder.md says why it is so.
//
// A Stream follows one kind of object. A Ledger holds of each pod what is needed to know which runs of its containers
// have ended since it was last looked at. A Recorder puts them together: what ended is committed at once with what the
// pod's status alone proves, and settled when the capture is there.
package watch
