// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// keepMarker says that the state was kept on purpose.
const keepMarker = "kept"

// Down ends every machine, whatever state it is in, and removes what the host
// had for them. With keep the cluster's state stays for the next Up, as after
// a power cut. A lab that is not up is no error.
func (l Lab) Down(keep bool) error {
	names := l.machines()
	failed := make(chan error, len(names))
	for _, name := range names {
		go func() { failed <- machine.Stop(l.State, name) }()
	}
	var errs []error
	for range names {
		errs = append(errs, <-failed)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if exists("/sys/class/net/" + bridge) {
		if err := ip(context.Background(), "link del "+bridge+"\n"); err != nil {
			return err
		}
	}
	if keep && exists(l.State) {
		return os.WriteFile(filepath.Join(l.State, keepMarker), nil, 0o600)
	}
	return os.RemoveAll(l.State)
}

// machines are all of which there is a trace: in the state, or on the host
// after the state was lost.
func (l Lab) machines() []string {
	var names []string
	for pattern, prefix := range map[string]string{
		filepath.Join(l.State, "machines", "*"):    "",
		"/sys/fs/cgroup/*/" + machine.Prefix + "*": machine.Prefix,
		"/sys/class/net/inq-*":                     "inq-",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are well formed
		for _, path := range found {
			names = append(names, strings.TrimPrefix(filepath.Base(path), prefix))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// traces reports whether there is anything that Down would remove.
func (l Lab) traces() bool {
	return len(l.machines()) > 0 || exists(filepath.Join(l.State, optionsFile)) || exists("/sys/class/net/"+bridge)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
