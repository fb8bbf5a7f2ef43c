// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package usage

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// BenchmarkSample samples 110 real containers, each in a pod with its sandbox, and the machine itself. At one sample every
// five seconds the time of one, divided by five seconds, is the share of a core that it takes.
func BenchmarkSample(b *testing.B) {
	_, err := os.Stat(cgroups + "/cgroup.controllers")
	p := &pen{t: b, v2: err == nil}
	p.enable("")
	add := func(name string, leaf bool) {
		p.names = append(p.names, name)
		for _, h := range p.hierarchies() {
			if err := os.MkdirAll(filepath.Join(cgroups, h, name), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if !leaf {
			p.enable(name)
		}
	}
	b.Cleanup(p.remove)
	add("inquest-test", false)
	add("inquest-test/kubepods", false)
	for i := range 110 {
		pod := fmt.Sprintf("inquest-test/kubepods/pod%032x", i)
		add(pod, false)
		add(fmt.Sprintf("%s/%064x", pod, i), true)
		add(fmt.Sprintf("%s/f%063x", pod, i), true)
	}
	now := time.Now()
	r, err := New(Options{
		Cgroup: cgroups, Below: "inquest-test", Node: node, Tell: func(record.Entry) {}, Now: func() time.Time { return now },
		Place: func(group string) (evidence.Ref, string, bool) {
			_, id := levelOf(filepath.Base(group))
			return evidence.RefTo("Pod", "shop", id).InContainer("app").InAttempt(0), uid, id[0] == '0'
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer r.close()
	for range 20 { // until the sandboxes are known for what they are
		r.tick(now)
		now = now.Add(time.Second)
	}
	r.watch, err = newWatch()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(5 * time.Second)
		r.scanned = now
		r.tick(now)
	}
}

// BenchmarkMachine looks at the machine itself, which is done each 15 seconds, without and with the count of inotify
// instances, which is done each ten minutes.
func BenchmarkMachine(b *testing.B) {
	for name, inotify := range map[string]time.Duration{"usual": -1, "inotify": time.Second} {
		b.Run(name, func(b *testing.B) {
			now := time.Now()
			m, err := newMachine(Options{Node: node, Tell: func(record.Entry) {}, Machine: MachineOptions{
				Proc: "/proc", Filesystems: []Filesystem{{"nodefs", "/"}}, Inotify: inotify,
			}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(15 * time.Second)
				m.tick(now, func(string) []string { return nil })
			}
		})
	}
}
