// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"regexp"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// The letters and lengths of names that are generated (apimachinery pkg/util/rand, alphanums; apiserver pkg/storage/names): a hash is the digits
// of a number of 32 bits in these letters, of which one in 400000 has less than five, and what is before the last five letters is cut off.
const (
	letter     = "[bcdfghjklmnpqrstvwxz2456789]"
	mostBefore = 58
	mostHash   = 10
)

// podsOf matches the names that a controller gives the pods of a workload. A workload whose name begins with that of another, as web-db with web, is
// told from it wherever its name has a letter that is never generated, or is not as long as a hash.
func podsOf(workload evidence.Ref) string {
	name := workload.Name
	switch workload.Kind {
	case "CronJob": // a Job is named by the minute that it was due, and its pods by their index, too, where they have one
		return regexp.QuoteMeta(name) + "-[0-9]+-([0-9]+-)?" + letter + "{5}"
	case "Deployment":
		return hashed(name)
	case "StatefulSet":
		return regexp.QuoteMeta(name) + "-[0-9]+"
	case "Job":
		return before(name) + "([0-9]+-)?" + letter + "{5}"
	case "DaemonSet", "ReplicaSet":
		return before(name) + letter + "{5}"
	}
	return regexp.QuoteMeta(name)
}

// hashed matches the pods of ReplicaSets of a Deployment. Of a long name there is no room for the whole hash, and none for the dash after it.
func hashed(name string) string {
	room := mostBefore - len(name) - len("-")
	switch {
	case room <= 0:
		return before(name) + letter + "{5}"
	case room <= mostHash:
		return fmt.Sprintf("%s-(%s{5,%d}-|%s{%d})%s{5}", regexp.QuoteMeta(name), letter, max(room-1, 5), letter, room, letter)
	}
	return fmt.Sprintf("%s-%s{5,%d}-%s{5}", regexp.QuoteMeta(name), letter, mostHash, letter)
}

// before is what is before the five letters.
func before(name string) string {
	name += "-"
	return regexp.QuoteMeta(name[:min(len(name), mostBefore)])
}
