// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/record"
)

// The variables by which runtimes are told of heap and threads: those of Java and Node.js have flags, those of Go a number each.
var (
	flagged  = []string{"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPTS", "_JAVA_OPTIONS", "JAVA_OPTIONS", "NODE_OPTIONS"}
	numbered = []string{"GOMEMLIMIT", "GOMAXPROCS", "GOGC"}
	sizes    = []string{"-Xmx", "-XX:MaxRAMPercentage=", "--max-old-space-size=", "--max-old-space-size-percentage="}
)

// settings keeps of the environment that a process began with what it tells the runtime of heap and threads: names of known variables, known flags,
// and numbers. All else in it may be secret.
func settings(env []string) []string {
	var kept []string
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case slices.Contains(flagged, name):
			kept = append(kept, name+"="+strings.Join(sized(value), " "))
		case slices.Contains(numbered, name) && (isAmount(value) || value == "off"):
			kept = append(kept, name+"="+value)
		case slices.Contains(numbered, name):
			kept = append(kept, name+"=")
		}
	}
	if len(kept) == 0 && len(env) > 0 {
		return []string{record.NoSettings}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// sized are the flags of a variable that give a size.
func sized(value string) []string {
	var kept []string
	words := strings.Fields(value)
	for i, word := range words {
		if strings.HasPrefix(word, "--") {
			word = strings.ReplaceAll(word, "_", "-")
		}
		if i+1 < len(words) && slices.Contains(sizes, word+"=") { // Node.js takes its value as a word of its own, too
			word += "=" + words[i+1]
		}
		for _, flag := range sizes {
			if size, ok := strings.CutPrefix(word, flag); ok && isAmount(size) && len(kept) < maxArgs {
				kept = append(kept, word)
			}
		}
	}
	return kept
}

// isAmount tells whether a text is a number, with a unit of memory at most.
func isAmount(s string) bool {
	number := strings.TrimRight(s, "kKmMgGtTiB")
	if len(s) > 24 || len(s)-len(number) > 3 {
		return false
	}
	n, err := strconv.ParseFloat(number, 64)
	return err == nil && n >= 0 && strings.Trim(number, "0123456789.") == ""
}
