// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func lab(t *testing.T, args ...string) (status int, stderr string) {
	t.Helper()
	var out, notice bytes.Buffer
	status = run(t.Context(), args, &out, &notice)
	return status, notice.String()
}

func TestCommandsWithoutALab(t *testing.T) {
	t.Setenv("INQUEST_LAB_CACHE", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	for _, c := range []struct {
		args   string
		status int
		want   string // on standard error
	}{
		{"", 2, "lab up [flags]"},
		{"nonsense", 2, "lab node freeze-runtime NODE"},
		{"node", 2, "lab node stop NODE"},
		{"node stop", 2, "usage: lab node stop NODE"},
		{"node stop n1", 1, "the lab is not up: bring it up with lab up"},
		{"node start n1", 1, "the lab is not up"},
		{"node partition n1", 1, "n1: machine is not up"},
		{"node freeze-runtime n1", 1, "n1: machine is not up"},
		{"unit stop cp etcd", 1, "cp: machine is not up"},
		{"kill n1 default/web app", 1, "the lab is not up"},
		{"exec n1 -- ls", 1, "n1: machine is not up"},
		{"exec", 1, "name a machine"},
		{"logs kubelet", 1, `there is no log of "kubelet"`},
		{"kubeconfig", 1, "there is no lab"},
		{"fault", 2, "lab fault apply NAME"},
		{"fault apply nonsense", 1, "there is no fault nonsense, expected one of"},
		{"fault clear oom-limit", 1, "bring the lab up with lab up, or set KUBECONFIG"},
		{"record oom-limit", 2, "usage: lab record NAME OUT"},
		{"up --nodes n1,x", 1, `node "x": a node's name is n1 to n9`},
		{"up --node-disk 1T", 1, `size "1T": expected a number with M or G`},
		{"up --frobnicate", 2, "flag provided but not defined"},
		{"status", 1, "not everything is up"},
		{"machine-init", 1, "not for people"},
	} {
		status, stderr := lab(t, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("lab %s: status %d, %q", c.args, status, stderr)
		}
	}
}

func TestHelpHidesWhatIsNotForPeople(t *testing.T) {
	_, stderr := lab(t)
	for _, hidden := range []string{"machine-init", "lab registry"} {
		if strings.Contains(stderr, hidden) {
			t.Errorf("help shows %s", hidden)
		}
	}
}

func TestSizeFor(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
	}{{"", 0}, {"1G", 1024}, {"512M", 512}, {"2Gi", 2048}, {"n1=1G,n2=512M", 1024}, {"n2=512M", 0}, {"0M", 0}} {
		if got, err := sizeFor(c.text, "n1"); got != c.want || err != nil {
			t.Errorf("%q: %d %v, want %d", c.text, got, err, c.want)
		}
	}
	for _, bad := range []string{"1", "G", "-1G", "1.5G", "n1=", "10K"} {
		if _, err := sizeFor(bad, "n1"); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestUpFlags(t *testing.T) {
	u := upFlags{nodes: "n1,n3", disk: "n3=1G", memory: "2G", kubelet: `{"maxPods":9}`, grace: time.Minute, backoff: time.Second}
	o, err := u.options()
	if err != nil {
		t.Fatal(err)
	}
	n1, n3 := o.Nodes[0], o.Nodes[1]
	if n1.DiskMiB != 0 || n3.DiskMiB != 1024 || n1.MemoryMiB != 2048 || n3.MaxBackoff != time.Second || o.NodeMonitorGrace != time.Minute {
		t.Errorf("got %+v", o)
	}
	if got := strings.Join(o.Machines(), " "); got != "cp n1 n3" {
		t.Errorf("machines %s", got)
	}
}

func TestLockKeepsASecondLabOut(t *testing.T) {
	t.Setenv("INQUEST_LAB_CACHE", filepath.Join(t.TempDir(), "new"))
	first, err := newProgram(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.lock(); err != nil {
		t.Fatal(err)
	}
	if err := first.lock(); err == nil {
		t.Error("locked twice")
	}
	if err := locked.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFaultList(t *testing.T) {
	t.Setenv("INQUEST_LAB_CACHE", t.TempDir())
	var out bytes.Buffer
	status := run(t.Context(), []string{"fault", "list"}, &out, &out)
	for _, want := range []string{"oom-limit", "MEM001", "nothing is wrong"} {
		if status != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("lab fault list: status %d, without %s", status, want)
		}
	}
}
