// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package usage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// dull are files that nothing reads.
var dull = []string{
	"cgroup.controllers", "cgroup.freeze", "cgroup.max.depth", "cgroup.max.descendants", "cgroup.subtree_control", "cgroup.threads",
	"cgroup.type", "cgroup.pressure", "memory.numa_stat", "memory.reclaim",
}

// dump prints the files of a container and of its pod, and what the kernel says of the kill, in the form of testdata, when
// INQUEST_DUMP is set. Each part begins with the name of the case.
func dump(p *pen, when string) {
	if os.Getenv("INQUEST_DUMP") == "" {
		return
	}
	fmt.Println("== begin")
	defer fmt.Println("== end")
	for _, group := range p.names[len(p.names)-2:] {
		for _, h := range p.hierarchies() {
			entries, _ := os.ReadDir(filepath.Join(cgroups, h, group))
			for _, e := range entries {
				data, err := os.ReadFile(filepath.Join(cgroups, h, group, e.Name()))
				if err == nil && !slices.Contains(dull, e.Name()) {
					_, in, _ := strings.Cut(filepath.Join(h, group, e.Name()), "inquest-test/")
					fmt.Printf("-- %s/%s --\n%s", when, in, data)
				}
			}
		}
	}
	dumpLog(when)
}

// dumpLog prints the kernel's records since the last kill began.
func dumpLog(when string) {
	fd, err := syscall.Open("/dev/kmsg", syscall.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = syscall.Close(fd) }()
	var records []byte
	buffer := make([]byte, 8192)
	for {
		n, err := syscall.Read(fd, buffer)
		if err != nil {
			break
		}
		if bytes.Contains(buffer[:n], []byte("invoked oom-killer")) {
			records = nil
		}
		records = append(records, buffer[:n]...)
	}
	fmt.Printf("-- %s/kmsg --\n%s", when, records)
}
