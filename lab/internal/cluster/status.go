// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// Status writes what runs, a line for each machine, and reports whether the
// lab is up and well.
func (l Lab) Status(ctx context.Context, out io.Writer) (bool, error) {
	o, err := l.loadOptions()
	if err != nil {
		_, err := fmt.Fprintln(out, "down")
		return false, err
	}
	client, err := l.newAPI()
	if err != nil {
		return false, err
	}
	well := true
	for _, name := range o.Machines() {
		state, good := l.machineState(ctx, client, name)
		well = well && good
		if _, err := fmt.Fprintf(out, "%-4s %s\n", name, state); err != nil {
			return false, err
		}
	}
	return well, nil
}

func (l Lab) machineState(ctx context.Context, client api, name string) (string, bool) {
	pid := machine.Pid(l.State, name)
	if pid == 0 {
		return "off", false
	}
	s, err := machine.Load(l.State, name)
	if err != nil {
		return err.Error(), false
	}
	parts := []string{fmt.Sprintf("pid %d", pid)}
	well := true
	for _, u := range s.Units {
		if u.Once {
			continue
		}
		p, err := machine.Find(l.State, name, u.Name)
		switch {
		case err != nil:
			parts = append(parts, u.Name+" is not running")
			well = false
		case p.State == "T":
			parts = append(parts, u.Name+" is frozen")
			well = false
		}
	}
	condition, good := clusterState(ctx, client, name)
	return strings.Join(append(parts, condition), ", "), well && good
}

// clusterState is what the API says of the machine.
func clusterState(ctx context.Context, client api, name string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if name == controlPlane {
		if client.ready(ctx) != nil {
			return "the API server does not answer", false
		}
		return "the API server is ready", true
	}
	n, err := client.node(ctx, name)
	if err != nil {
		return "the API does not tell whether it is ready", false
	}
	return "Ready is " + n.condition(), n.condition() == "True"
}
