// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net"
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

func goodHost() Host {
	return Host{
		OS: "linux", Root: true, Capabilities: 1<<capSysAdmin | 1<<capNetAdmin, Overlay: true, MemoryMiB: 8192,
		Hierarchies: []machine.Hierarchy{{Options: strings.Join(machine.Controllers, ",")}},
	}
}

func TestProblem(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Host)
		want   string // part of the sentence; empty: no problem
	}{
		"good":            {func(*Host) {}, ""},
		"memory unknown":  {func(h *Host) { h.MemoryMiB = 0 }, ""},
		"macOS":           {func(h *Host) { h.OS = "darwin" }, "needs Linux"},
		"not root":        {func(h *Host) { h.Root = false }, "needs root"},
		"weak container":  {func(h *Host) { h.Capabilities = 1 << capNetAdmin }, "CAP_SYS_ADMIN"},
		"no iproute2":     {func(h *Host) { h.Missing = []string{"ip"} }, "needs ip, which"},
		"cgroup v2":       {func(h *Host) { h.Hierarchies, h.Unified = nil, true }, "only cgroup v2"},
		"no cgroups":      {func(h *Host) { h.Hierarchies = nil }, "cpu, cpuacct, cpuset"},
		"no pids":         {func(h *Host) { h.Hierarchies[0].Options = "cpu,cpuacct,cpuset,memory,devices,freezer,blkio" }, "controllers pids, which"},
		"no overlayfs":    {func(h *Host) { h.Overlay = false }, "overlayfs"},
		"overlay below":   {func(h *Host) { h.StateOverlay = true }, "INQUEST_LAB_CACHE"},
		"addresses taken": {func(h *Host) { h.Taken = []string{"eth7"} }, "overlap with addresses of eth7"},
		"small":           {func(h *Host) { h.MemoryMiB = 500 }, "needs 2048 MiB"},
	} {
		h := goodHost()
		c.change(&h)
		got := h.Problem()
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q", name, got)
		}
		if strings.ContainsAny(got, "\n") || strings.HasSuffix(got, ".") {
			t.Errorf("%s: not one plain sentence: %q", name, got)
		}
	}
}

func TestOverlapsLab(t *testing.T) {
	for text, want := range map[string]bool{
		"10.98.0.7/24": true, "10.0.0.1/8": true, "10.243.3.1/32": true, "10.97.1.0/24": true,
		"10.99.0.1/24": false, "192.168.1.1/16": false, "127.0.0.1/8": false, "fe80::1/64": false,
	} {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		network.IP = ip
		if got := overlapsLab(network); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestInspectReadsThisMachine(t *testing.T) {
	h := Lab{State: t.TempDir()}.Inspect()
	if h.OS != "linux" || h.MemoryMiB == 0 {
		t.Errorf("got %+v", h)
	}
}
