// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
)

var logged = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// TestHostLogForms reads one record in each form in which a node's log comes.
func TestHostLogForms(t *testing.T) {
	at := func(s string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	const record = "nf_conntrack: nf_conntrack: table full, dropping packet"
	for _, c := range []struct {
		form, line, node string
		at               time.Time
	}{
		{"nothing before it", record, "node", time.Time{}},
		{"dmesg", "[  624.887185] " + record, "node", time.Time{}},
		{"dmesg with a level", "<4>[  624.887185] " + record, "node", time.Time{}},
		{"a console with the thread", "[  624.887185][ T1054] " + record, "node", time.Time{}},
		{"a console with the processor", "[  624.887185][    C0] " + record, "node", time.Time{}},
		{"a console behind a prompt", "login: [  624.887185] " + record, "node", time.Time{}},
		{"dmesg -T", "[Thu Jan  1 23:59:58 2026] " + record, "node", at("2026-01-01T23:59:58Z")},
		{"dmesg -x", "kern  :warn  : [  624.887185] " + record, "node", time.Time{}},
		{"dmesg --time-format iso", "2026-01-01T23:59:58,123456+01:00 " + record, "node", at("2026-01-01T22:59:58.123456Z")},
		{"/dev/kmsg", "4,812,624887185,-;" + record, "node", time.Time{}},
		{"journalctl -k", "Jan 01 23:59:58 worker-1 kernel: " + record, "worker-1", at("2026-01-01T23:59:58Z")},
		{"syslog of the year before", "Dec 31 23:59:58 worker-1 kernel: [624.887185] " + record, "worker-1", at("2025-12-31T23:59:58Z")},
		{"short-precise", "Jan 01 23:59:58.123456 worker-1 kernel: " + record, "worker-1", at("2026-01-01T23:59:58.123456Z")},
		{"short-iso", "2026-01-01T23:59:58+0000 worker-1 kernel: " + record, "worker-1", at("2026-01-01T23:59:58Z")},
		{"rsyslog", "2026-01-01T23:59:58.123456+00:00 worker-1 kernel: [  624.887185] " + record, "worker-1", at("2026-01-01T23:59:58.123456Z")},
		{"json", `{"__REALTIME_TIMESTAMP":"1767311998123456","_TRANSPORT":"kernel","_HOSTNAME":"worker-1","MESSAGE":"` + record + `"}`, "worker-1", at("2026-01-01T23:59:58.123456Z")},
	} {
		t.Run(c.form, func(t *testing.T) {
			want := []evidence.Fact{{
				Kind: evidence.Host, Source: evidence.FromKernel, About: evidence.RefTo("Node", "", c.node), At: c.at,
				Where: "kmsg", Name: "conntrack-full", Text: record,
			}}
			if diff := cmp.Diff(want, Parse(c.line+"\n", "", logged)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !Recognise(c.line) {
				t.Error("it is not taken for the log of a node")
			}
		})
	}
}

// TestFormsOfCRIO: CRI-O writes the time with a space, beside the journal's or alone (cri-o internal/log), and its kubelet names its socket.
func TestFormsOfCRIO(t *testing.T) {
	const record = `level=error msg="Unable to write container state: write /run/containers/storage/x: no space left on device" id=b50aed30`
	for line, want := range map[string]time.Time{
		`time="2023-03-02 20:05:11.244414510Z" ` + record:                                          time.Date(2023, 3, 2, 20, 5, 11, 244414510, time.UTC),
		`time="2023-06-14 23:50:37.383837278-07:00" ` + record:                                     time.Date(2023, 6, 15, 6, 50, 37, 383837278, time.UTC),
		`time="2021-06-29T18:16:10+02:00" ` + record:                                               time.Date(2021, 6, 29, 16, 16, 10, 0, time.UTC),
		`Jan 01 20:04:59 worker-1 crio[1364180]: time="2026-01-01 20:04:59.244414510Z" ` + record:  time.Date(2026, 1, 1, 20, 4, 59, 0, time.UTC),
		`2026-01-01T20:04:59.5Z worker-1 crio[1]: time="2026-01-01 20:04:59.244414510Z" ` + record: time.Date(2026, 1, 1, 20, 4, 59, 5e8, time.UTC),
	} {
		facts := Parse(line+"\n", "n1", logged)
		if len(facts) != 1 || facts[0].Name != "disk-full" || !facts[0].At.Equal(want) {
			t.Errorf("%s: %+v", line, facts)
		}
	}
	p := Follow("n1")
	p.Program("crio.service", `time="2023-03-02 20:05:11.244414510Z" `+record, logged)
	p.Program("kubelet.service", `E0102 12:00:00.000000       1 remote_runtime.go:1] "x" err="connection error: desc = dial unix /var/run/crio/crio.sock: connect: refused"`, logged)
	var got []string
	for _, f := range p.Facts() {
		got = append(got, fmt.Sprint(f.Name, " ", f.Source, " ", f.At.Equal(logged)))
	}
	if diff := cmp.Diff([]string{"disk-full runtime true", "runtime-down kubelet true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestExcerptOfKernelLog takes a report for the kernel's that lost the time and begins with the name of a level.
func TestExcerptOfKernelLog(t *testing.T) {
	const hung = "INFO: task umount:21568 blocked for more than 120 seconds.\n      Tainted: G         C    3.16.0-4-amd64 #1\n" +
		"umount     D ffff8802111a9848     0 21568  21567 0x00000000\nCall Trace:\n [<ffffffff81512d45>] ? rwsem_down_write_failed+0x1d5/0x320\n"
	if !Recognise(hung) {
		t.Error("it is not taken for the log of a node")
	}
	for _, text := range []string{hung + "INFO served\n", "INFO: " + hung, "INFO: task 7 is done\n" + hung} {
		if Recognise(text) {
			t.Errorf("it is taken for the log of a node: %q", text)
		}
	}
}

func TestHostLogKnowsBothClocks(t *testing.T) {
	facts := Parse("Jan 01 10:00:10 n1 kernel: [  110.000000] ready\n[  120.500000] VFS: file-max limit 10 reached\n", "", logged)
	if len(facts) != 1 || !facts[0].At.Equal(time.Date(2026, 1, 1, 10, 0, 20, 5e8, time.UTC)) {
		t.Errorf("got %v", facts)
	}
}

// TestOOMKills reads kills in the wordings of several kernels (mm/oom_kill.c, mm/memcontrol.c).
func TestOOMKills(t *testing.T) {
	for name, c := range map[string]struct{ log, want string }{
		"5.0 and later, at a limit": {`java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=969
memory: usage 262144kB, limit 262144kB, failcnt 812
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[   4711]     0  4711   800000    60000  1024000        0           969 java
[   4800]     0  4800     1000      100    40960        0           969 sh
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/kubepods/burstable/pod1,task_memcg=/kubepods/burstable/pod1/abc,task=java,pid=4711,uid=7
Memory cgroup out of memory: Killed process 4711 (java) total-vm:3200000kB, anon-rss:240000kB, file-rss:10kB, shmem-rss:0kB, UID:7 pgtables:1000kB oom_score_adj:969
oom_reaper: reaped process 4711 (java), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB`,
			`oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods/burstable/pod1 task_memcg=/kubepods/burstable/pod1/abc task=java pid=4711 uid=7 total-vm=3200000kB anon-rss=240000kB file-rss=10kB shmem-rss=0kB oom_score_adj=969
oom-task: pid=4711 rss=240000kB oom_score_adj=969 name=java
oom-task: pid=4800 rss=400kB oom_score_adj=969 name=sh`},
		"3.x, the node": {`Out of memory: Kill process 1532 (badprogram) score 919 or sacrifice child
Killed process 1532 (badprogram) total-vm:1641388kB, anon-rss:1595164kB, file-rss:76kB`,
			`oom-kill: constraint=CONSTRAINT_NONE task=badprogram pid=1532 total-vm=1641388kB anon-rss=1595164kB file-rss=76kB`},
		"4.x, at a limit": {`Task in /kubepods/pod1/abc killed as a result of limit of /kubepods/pod1
Memory cgroup out of memory: Kill process 1012 (heap) score 1035 or sacrifice child
Killed process 1012 (heap) total-vm:327128kB, anon-rss:306328kB, file-rss:11132kB, shmem-rss:12kB`,
			`oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=/kubepods/pod1 task_memcg=/kubepods/pod1/abc task=heap pid=1012 total-vm=327128kB anon-rss=306328kB file-rss=11132kB shmem-rss=12kB`},
		"cut off before the kill": {
			`oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice,task=VM Thread,pid=7,uid=0`,
			`oom-kill: constraint=CONSTRAINT_NONE task_memcg=/user.slice task=VM Thread pid=7 uid=0`},
		"6.x, a whole group": {`oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=main,pid=10,uid=0
Memory cgroup out of memory: Killed process 10 (main) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0
Tasks in /a/b are going to be killed due to memory.oom.group set
Memory cgroup out of memory: Killed process 11 (child) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0`,
			`oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=/a task_memcg=/a/b task=main pid=10 uid=0 total-vm=1kB anon-rss=1kB file-rss=0kB shmem-rss=0kB oom_score_adj=0
oom-kill: constraint=CONSTRAINT_MEMCG oom_memcg=/a task_memcg=/a/b task=child pid=11 uid=0 total-vm=1kB anon-rss=1kB file-rss=0kB shmem-rss=0kB oom_score_adj=0`},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range Parse(c.log, "n1", logged) {
				got = append(got, f.Text)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestALongKillIsKeptWhole has the paths of a node that is itself a container.
func TestALongKillIsKeptWhole(t *testing.T) {
	group := "/docker/" + strings.Repeat("0f", 32) + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod3b0e1c52_7f8a_4d7e_9a51_0c2f7b6d9e10.slice/cri-containerd-" + strings.Repeat("0f", 32) + ".scope"
	facts := Parse("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg="+group+",task_memcg="+group+",task=java,pid=7,uid=0\n"+
		"Memory cgroup out of memory: Killed process 7 (java) total-vm:9kB, anon-rss:5kB, file-rss:1kB, shmem-rss:3kB, UID:0 pgtables:1kB oom_score_adj:969\n", "n1", logged)
	if len(facts) != 1 || !strings.HasSuffix(facts[0].Text, "task=java pid=7 uid=0 total-vm=9kB anon-rss=5kB file-rss=1kB shmem-rss=3kB oom_score_adj=969") {
		t.Errorf("got %v", facts)
	}
}

// forged is what anybody can print.
const forged = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=app,pid=1,uid=0\n"

func TestHostLogOfOthers(t *testing.T) {
	for _, text := range []string{
		"2026-01-01T00:00:00Z INFO server started\n2026-01-01T00:00:01Z ERROR too many open files\n",
		"panic: runtime error: index out of range\n\ngoroutine 1 [running]:\nmain.main()\n",
		"Traceback (most recent call last):\n  File \"a.py\", line 1\nOSError: [Errno 28] no space left on device\n",
		"NAME   READY   STATUS\nweb-0  1/1     Running\n", "apiVersion: v1\nkind: Pod\n", "",
		"listening\n" + forged, "2026-01-01T00:00:00Z INFO server started\n" + forged, forged + "INFO served\n",
		"INFO started\nINFO served\nINFO served\n[  110.000000] VFS: file-max limit 10 reached\n",
	} {
		if Recognise(text) {
			t.Errorf("it is taken for the log of a node: %q", text)
		}
	}
	if facts := Parse("Jan 01 10:00:10 n1 myapp[7]: said BUG: unable to handle, kernel panic, oom-kill\n", "n1", logged); len(facts) > 0 {
		t.Errorf("what a program says is taken for the kernel's: %v", facts)
	}
}

func TestHostLogIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "[%5d.000000] nf_conntrack: table full, dropping packet\n", i+1)
	}
	facts := Parse(b.String(), "n1", logged)
	if len(facts) != mostOfASort || !strings.Contains(facts[len(facts)-1].Text, "(and 4940 more before it)") {
		t.Errorf("%d facts, the last is %q", len(facts), facts[len(facts)-1].Text)
	}
}

// FuzzHostLog checks that no text breaks the reader, and that what it says stays bounded and on one line.
func FuzzHostLog(f *testing.F) {
	f.Add("[1.000000] oom-kill:constraint=CONSTRAINT_MEMCG,task=a,pid=1\n[2.000000] Killed process 1 (a) total-vm:1kB\n")
	f.Add("INFO: task a:1 blocked for more than 120 seconds.\nCall Trace:\n ? a+0x1/0x2\n b+0x1/0x2 [m]\n")
	f.Add("6,1,1000,-;BUG: KASAN: bad in f+0x1/0x2\n{\"MESSAGE\":\"x\"}\nJan  1 00:00:00 h kubelet[1]: E0101 00:00:00.1 1 a.go:1] x\n")
	f.Fuzz(func(t *testing.T, text string) {
		Recognise(text)
		facts := Parse(text, "", logged)
		if len(facts) > 100*mostOfASort*mostTasks {
			t.Fatalf("%d facts", len(facts))
		}
		for _, fact := range facts {
			if len(fact.Text) > maxKillText+maxFactText || strings.ContainsAny(fact.Text, "\n\r") || fact.Name == "" || fact.About.Name == "" {
				t.Fatalf("fact %+v", fact)
			}
		}
	})
}
