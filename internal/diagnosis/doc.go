// SPDX-License-Identifier: Apache-2.0

// Package diagnosis is the contract between rules and everything else, and the engine that applies it.
//
// A Rule looks at one thing through a Pass and reports Findings, each with the facts that support it. Run applies
// rules to a snapshot; Rank links findings by their effects into causes and what follows from them; Diagnose is both
// behind a Source. Everything but the Source is a pure function of the snapshot: the same evidence gives the same
// report, byte for byte.
package diagnosis
