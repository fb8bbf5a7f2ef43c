// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const killed = `java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=969
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[   4711]     0  4711   800000    60000  1024000        0           969 java
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/kubepods/pod1,task_memcg=/kubepods/pod1/abc,task=a,uid=0,pid=1,pid=4711,uid=7
Memory cgroup out of memory: Killed process 4711 (a,uid=0,pid=1) total-vm:3200000kB, anon-rss:240000kB, file-rss:10kB, shmem-rss:0kB, UID:7 pgtables:1000kB oom_score_adj:969`

const hung = `INFO: task jbd2/sda1-8:412 blocked for more than 120 seconds.
      Not tainted 6.1.0 #1
Call Trace:
 __schedule+0x1/0x2
 jbd2_journal_commit_transaction+0x1/0x2`

// TestFollowerTellsEarly feeds records one by one and looks at what is handed out after each.
func TestFollowerTellsEarly(t *testing.T) {
	p, now := Follow("n1"), logged
	feed := func(text string) (names []string) {
		for line := range strings.Lines(text) {
			p.Kernel([]byte(strings.TrimRight(line, "\n")), now)
			for _, r := range p.Records() {
				names = append(names, r.Name+" "+r.Group)
			}
		}
		return names
	}
	want := []string{"oom-kill /kubepods/pod1/abc", "oom-task "}
	if diff := cmp.Diff(want, feed(killed)); diff != "" {
		t.Errorf("a kill (-want +got):\n%s", diff)
	}
	if got := feed(hung); len(got) > 0 || !p.Pending() {
		t.Errorf("an unfinished report gives %v", got)
	}
	p.Quiet(now.Add(time.Second))
	if got := p.Facts(); len(got) != 1 || !strings.HasSuffix(got[0].Text, "(in jbd2_journal_commit_transaction)") || p.Pending() {
		t.Errorf("after a quiet second: %v", got)
	}
	feed(hung)
	now = now.Add(time.Second)
	feed("nothing of interest")
	now = now.Add(longest + time.Second)
	if got := feed("nothing of interest"); len(got) != 1 {
		t.Errorf("a log that goes on without pause gives %v", got)
	}
}

// TestAForgedName has a victim whose name looks like the rest of the record.
func TestAForgedName(t *testing.T) {
	facts := Parse(killed, "n1", logged)
	if len(facts) == 0 || !strings.Contains(facts[0].Text, " task=a,uid=0,pid=1 pid=4711 uid=7 ") {
		t.Errorf("got %v", facts)
	}
}

// TestFollowerSaysTheSame reads one log in both ways.
func TestFollowerSaysTheSame(t *testing.T) {
	log := strings.Join([]string{killed, hung, "nf_conntrack: table full, dropping packet", killed, "EXT4-fs error (device sda1): x", "Started kubelet.service", forged}, "\n")
	p := Follow("n1")
	for line := range strings.Lines(log) {
		p.Add(strings.TrimRight(line, "\n"), logged)
	}
	p.Quiet(logged)
	got := p.Facts()
	want := Parse(log, "n1", logged)
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 8 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFloodIsBounded has more records of a sort than are handed out, and more of what looks like trouble than is read.
func TestFloodIsBounded(t *testing.T) {
	p, n := Follow("n1"), 0
	var last string
	count := func() {
		for _, f := range p.Facts() {
			n, last = n+1, f.Text
		}
	}
	for i := range 100_000 {
		p.Kernel(fmt.Appendf(nil, "nf_conntrack: table full, dropping packet %d", i), logged.Add(time.Duration(i)*10*time.Microsecond))
		count()
	}
	if n != mostOfASort-1 || p.Skipped() != 100_000-mostRead || len(p.held) != 1 {
		t.Errorf("%d facts, %d skipped, %d held", n, p.Skipped(), len(p.held))
	}
	p.Quiet(logged.Add(window))
	count()
	if n != mostOfASort || !strings.HasSuffix(last, fmt.Sprintf("(and %d more before it)", mostRead-mostOfASort)) {
		t.Errorf("%d facts, the last is %q", n, last)
	}
}

// TestNothingFallsThroughTheSieve checks that each line that the parser takes for something is one that it looks at.
func TestNothingFallsThroughTheSieve(t *testing.T) {
	for _, w := range kernelWords {
		if line := strings.Join(w.parts, " and "); !in(telling(), "x "+line+" y") || !in(telling(), []byte(line)) {
			t.Errorf("%q is not looked at", line)
		}
	}
	for _, w := range programWords {
		if line := strings.Join(w.parts, " and "); !in(telling(), line) {
			t.Errorf("%q is not looked at", line)
		}
	}
	for _, line := range []string{"", "a", "BUG", "usb 1-1: new high-speed USB device number 2 using xhci_hcd", "IPv6: ADDRCONF(NETDEV_CHANGE): veth1: link becomes ready"} {
		if in(telling(), line) {
			t.Errorf("%q is looked at", line)
		}
	}
}

// FuzzSieve checks that no line means something to the parser that the sieve holds back.
func FuzzSieve(f *testing.F) {
	for line := range strings.Lines(killed + "\n" + hung) {
		f.Add(line)
	}
	f.Add("app[1]: segfault at 0 ip 0 sp 0")
	f.Add("Oops: 0000")
	f.Fuzz(func(t *testing.T, line string) {
		if in(telling(), line) {
			return
		}
		for _, from := range []string{"", "kernel", "kubelet", "systemd"} {
			l := hostLine{from: from, text: line}
			sort, several := kernelSort(l)
			if other := kubeletSort(l); sort != "" || several || other != "" {
				t.Fatalf("%q is %q or %q from %q", line, sort, other, from)
			}
		}
	})
}

// BenchmarkFlood is the cost of one record of a flood that means nothing.
func BenchmarkFlood(b *testing.B) {
	p := Follow("n1")
	line := []byte("IPv4: martian source 10.244.1.7 from 10.244.0.1, on dev eth0, ll header: 00000000: ff ff ff ff ff ff 52 54 00 12 34 56 08 06")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Kernel(line, logged.Add(time.Duration(i)*10*time.Microsecond))
	}
}
