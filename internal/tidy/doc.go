// SPDX-License-Identifier: Apache-2.0

// Package tidy keeps the promises that the project makes about its own source: which room may import which, how long
// and how deep code may be, what must be documented, what is not written at all. It holds tests and nothing else; each
// failure names a file, a line and the remedy. Its checks are checked in turn against the small projects in testdata.
package tidy
