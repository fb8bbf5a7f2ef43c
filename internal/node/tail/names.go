// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Key names one run of one container. The UID is the one that the kubelet uses, which for a static pod is the hash of
// its manifest and not the UID of its mirror in the API.
type Key struct {
	PodUID    string `json:"pod"`
	Container string `json:"container"`
	Attempt   int    `json:"attempt"`
}

// A podName is what the name of a pod's directory says (kubelet pkg/kubelet/kuberuntime/helpers.go, BuildPodLogsDirectory).
type podName struct{ namespace, name, uid string }

func (p podName) run(container string, attempt int) evidence.Ref {
	return evidence.RefTo("Pod", p.namespace, p.name).InContainer(container).InAttempt(attempt)
}

func parsePod(entry string) (podName, bool) {
	parts := strings.Split(entry, "_")
	if len(parts) != 3 {
		return podName{}, false
	}
	p := podName{parts[0], parts[1], parts[2]}
	return p, made(p.namespace, 63, "-") && made(p.name, 253, "-.") && p.uid != "" && made(strings.ToLower(p.uid), 64, "-")
}

func isContainer(entry string) bool { return made(entry, 63, "-") }

// made tells whether a name is of lower case letters and digits, with the other characters only between them.
func made(name string, longest int, others string) bool {
	if name == "" || len(name) > longest {
		return false
	}
	for i := range len(name) {
		c := name[i]
		plain := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !plain && (i == 0 || i == len(name)-1 || strings.IndexByte(others, c) < 0) {
			return false
		}
	}
	return true
}

// A logName is what the name of a log file says. The kubelet renames N.log to N.log.20060102-150405, compresses it into
// a file that ends in .tmp, and renames that to end in .gz (pkg/kubelet/logs/container_log_manager.go); logrotate and
// Docker put numbers behind it.
type logName struct {
	attempt int
	suffix  string // empty: the one that is written to
	gzipped bool
	partial bool // a file that is being made of another one
}

func (n logName) live() bool { return n.suffix == "" && !n.gzipped }

func parseLog(entry string) (logName, bool) {
	number, rest, ok := strings.Cut(entry, ".log")
	attempt, err := strconv.Atoi(number)
	if !ok || err != nil || len(number) > 9 || strconv.Itoa(attempt) != number || attempt < 0 {
		return logName{}, false
	}
	n, ok := parseSuffix(rest)
	n.attempt = attempt
	return n, ok
}

// parseDocker reads the name of a file in the directory of a container of Docker.
func parseDocker(entry, id string, attempt int) (logName, bool) {
	rest, ok := strings.CutPrefix(entry, id+"-json.log")
	if !ok {
		return logName{}, false
	}
	n, ok := parseSuffix(rest)
	n.attempt = attempt
	return n, ok
}

func parseSuffix(rest string) (logName, bool) {
	var n logName
	if rest == "" {
		return n, true
	}
	if rest[0] != '.' && rest[0] != '-' || len(rest) > 64 || !made(strings.ToLower(rest[1:]), 64, "-._") {
		return n, false
	}
	n.partial = strings.HasSuffix(rest, ".tmp")
	n.suffix, n.gzipped = strings.CutSuffix(rest, ".gz")
	return n, n.suffix != ""
}

// dockerID takes the identifier of a container out of the target of a link, which must be what Docker makes:
// root/id/id-json.log.
func dockerID(target, root string) (string, bool) {
	rest, ok := strings.CutPrefix(target, strings.TrimSuffix(root, "/")+"/")
	id, file, cut := strings.Cut(rest, "/")
	if !ok || !cut || len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return "", false
	}
	return id, file == id+"-json.log"
}
