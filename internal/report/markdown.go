// SPDX-License-Identifier: Apache-2.0

package report

// Markdown returns the reports for an issue or a chat.
func Markdown(reports []Report, kubectl []string) string { return "" }
