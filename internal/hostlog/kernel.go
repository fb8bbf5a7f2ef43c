// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// kernelWords says by which words a sort of kernel record is known. Each part of an entry must be in the line. The first
// entry that fits counts, so what is harmless stands before what it looks like. Where nothing else is said, the words are
// those of the kernel's own source, in the file named.
var kernelWords = []struct {
	sort  string
	parts []string
}{
	{"", []string{"Thermal monitoring enabled"}},
	{"", []string{"MCE: In-kernel MCE decoding enabled"}},
	{"kernel-panic", []string{"Kernel panic - not syncing"}},         // kernel/panic.c
	{"kernel-panic", []string{"Kernel Panic - not syncing"}},         //
	{"soft-lockup", []string{"soft lockup - CPU#"}},                  // kernel/watchdog.c
	{"soft-lockup", []string{"BUG: workqueue lockup"}},               // kernel/workqueue.c
	{"hard-lockup", []string{"hard LOCKUP"}},                         // kernel/watchdog_perf.c
	{"hard-lockup", []string{"LOCKUP on cpu"}},                       //
	{"rcu-stall", []string{"rcu", "detected stall"}},                 // kernel/rcu/tree_stall.h
	{"rcu-stall", []string{"rcu", "self-detected stall"}},            //
	{"rcu-stall", []string{"rcu", "detected expedited stall"}},       //
	{"netdev-leak", []string{"unregister_netdevice: waiting for"}},   // net/core/dev.c
	{"conntrack-full", []string{"conntrack: table full"}},            // net/netfilter/nf_conntrack_core.c
	{"neighbour-full", []string{"neighbor table overflow"}},          // net/core/neighbour.c
	{"neighbour-full", []string{"Neighbour table overflow"}},         //
	{"tcp-memory", []string{"TCP: out of memory"}},                   // net/ipv4/tcp.c
	{"tcp-memory", []string{"too many orphaned sockets"}},            //
	{"link-stuck", []string{"NETDEV WATCHDOG", "timed out"}},         // net/sched/sch_generic.c
	{"link-down", []string{"NIC Link is Down"}},                      // drivers/net
	{"link-down", []string{": Link is Down"}},                        // drivers/net/phy/phy.c
	{"link-up", []string{"Link is Up"}},                              //
	{"fs-readonly", []string{"emounting filesystem read-only"}},      // fs/ext4/super.c
	{"fs-readonly", []string{"forced readonly"}},                     // fs/btrfs/super.c
	{"fs-error", []string{"EXT4-fs error"}},                          // fs/ext4/super.c
	{"fs-error", []string{"EXT3-fs error"}},                          //
	{"fs-error", []string{"Aborting journal on device"}},             // fs/jbd2/journal.c
	{"fs-error", []string{"JBD2: Detected IO errors"}},               // fs/jbd2/commit.c
	{"fs-error", []string{"XFS (", "hutting down filesystem"}},       // fs/xfs/xfs_fsops.c
	{"fs-error", []string{"XFS (", "Shut down filesystem"}},          //
	{"fs-error", []string{"XFS (", "orruption"}},                     // fs/xfs/xfs_error.c
	{"fs-error", []string{"XFS (", "metadata I/O error"}},            // fs/xfs/xfs_buf.c
	{"fs-error", []string{"BTRFS", "error (device"}},                 // fs/btrfs/messages.c
	{"fs-error", []string{"BTRFS critical"}},                         //
	{"io-error", []string{"I/O error, dev "}},                        // block/blk-core.c
	{"io-error", []string{"Buffer I/O error on dev"}},                // fs/buffer.c
	{"io-error", []string{"critical medium error, dev "}},            // block/blk-core.c
	{"io-error", []string{"critical target error, dev "}},            //
	{"io-error", []string{"rejecting I/O to offline device"}},        // drivers/scsi/scsi_lib.c
	{"io-error", []string{"nvme", "I/O", "timeout,"}},                // drivers/nvme/host/pci.c
	{"io-error", []string{"nvme", "controller is down; will reset"}}, //
	{"nfs-hang", []string{"nfs: server", "not responding"}},          // net/sunrpc/clnt.c
	{"nfs-ok", []string{"nfs: server", " OK"}},                       //
	{"mce", []string{"[Hardware Error]"}},                            // arch/x86/kernel/cpu/mce/core.c, drivers/acpi/apei/ghes.c
	{"mce", []string{"Machine check events logged"}},                 //
	{"mce", []string{"EDAC ", " CE "}},                               // drivers/edac/edac_mc.c
	{"mce", []string{"EDAC ", " UE "}},                               //
	{"mce", []string{"memory read error on"}},                        //
	{"mce", []string{"Memory failure: 0x"}},                          // mm/memory-failure.c
	{"throttled", []string{"above threshold, cpu clock"}},            // drivers/thermal/intel/therm_throt.c
	{"xid", []string{"NVRM: Xid"}},                                   // NVIDIA's open-gpu-kernel-modules
	{"xid", []string{"NVRM:", "fallen off the bus"}},                 //
	{"xid", []string{"NVRM:", "RmInitAdapter failed"}},               //
	{"nvlink", []string{"nvidia-nvswitch", "SXid"}},                  //
	{"nvlink", []string{"NVRM:", "NVLink", "rror"}},                  //
	{"nvlink", []string{"knvlink", "fail"}},                          //
	{"neuron-error", []string{"NEURON_HW_ERR"}},                      // AWS's neuron driver
	{"fork-failed", []string{"cgroup: fork rejected by pids"}},       // kernel/cgroup/pids.c
	{"file-table", []string{"VFS: file-max limit"}},                  // fs/file_table.c
	{"apparmor", []string{`apparmor="DENIED"`}},                      // security/apparmor/audit.c
	{"selinux", []string{"avc:", "denied"}},                          // security/selinux/avc.c
	{"seccomp", []string{"type=1326"}},                               // AUDIT_SECCOMP of include/uapi/linux/audit.h
	{"page-allocation", []string{"page allocation failure: order:"}}, // mm/page_alloc.c
	{"memcg-leak", []string{"SLUB: Unable to allocate memory"}},      // mm/slub.c
	{"memcg-leak", []string{"mem_cgroup", "leak"}},                   //
	{"clock", []string{"Marking clocksource", "as unstable"}},        // kernel/time/clocksource.c
	{"boot", []string{"Linux version "}},                             // init/version.c
	{"shutdown", []string{"reboot: Restarting system"}},              // kernel/reboot.c
	{"shutdown", []string{"reboot: Power down"}},                     //
	{"overlay-corrupt", []string{"overlayfs:", "failed"}},            // fs/overlayfs
}

// oopsWords begin the report of a fault of the kernel's own: arch/x86/mm/fault.c, arch/x86/kernel/traps.c,
// arch/arm64/mm/fault.c, lib/bug.c, mm/kasan/report.c, mm/kfence/report.c, mm/kmsan/report.c, lib/ubsan.c, mm/page_alloc.c.
var oopsWords = []string{
	"BUG: unable to handle", "kernel BUG at ", "BUG: KASAN:", "BUG: KFENCE:", "BUG: KMSAN:", "UBSAN:", "Unable to handle kernel ",
	"general protection fault", "divide error:", "invalid opcode: ", "stack segment: ", "double fault: ", "int3: ", "Internal error: ",
	"kernel NULL pointer dereference", "list_add corruption", "list_del corruption", "kernel stack overflow",
	"BUG: stack guard page", "BUG: TASK stack guard", "BUG: Bad page", "BUG: scheduling while atomic", "BUG: Dentry",
	"BUG: spinlock", "BUG: KCSAN: assert", "Unhandled fault:", "bad page state", "Unrecoverable",
}

// debugWords are reports of checkers that a production kernel does not have or that change nothing by themselves.
var debugWords = []string{
	"WARNING: ", "INFO: possible", "possible circular locking", "possible recursive locking", "inconsistent lock state",
	"suspicious RCU usage", "INFO: trying to register non-static key", "BUG: sleeping function called from invalid context",
	"BUG: KCSAN: data-race", "BUG: memory leak", "BUG: MAX_LOCK", "BUG: MAX_STACK", "BUG: Invalid wait context",
}

var (
	hungTask = regex.New(`\btask (\S.*?):(\d+) blocked for more than (\d+) seconds`)            // kernel/hung_task.c
	segfault = regex.New(`([^\s:][^:\[\]]{0,40})\[\d+\]:? (?:segfault at|unhandled signal 11)`) // arch/x86/mm/fault.c
	trap     = regex.New(`traps: [^\[\]]{1,40}\[\d+\] (?:trap |general protection)`)            // arch/x86/kernel/traps.c
	numbered = regex.New(`^(?:Oops|.*Oops: |Internal error: Oops)`)                             // arch/x86/kernel/dumpstack.c
	ended    = regex.New(`---\[ end (?:trace|Kernel panic)|Kernel Offset:|Rebooting in |^Sending NMI|NMI backtrace for`)
)

// kernelSort says which sort of record a line of the kernel is: "" for one that tells of no trouble. Several is set for
// one that begins a report of several lines.
func kernelSort(l hostLine) (sort string, several bool) {
	text := strings.TrimSpace(l.text)
	switch {
	case strings.Contains(text, hungWords) && hungTask.MatchString(text):
		return "hung-task", true
	case crashed(text):
		return "segfault", false
	}
	for _, w := range kernelWords {
		if containsAll(text, w.parts) {
			several := w.sort == "kernel-panic" || strings.HasSuffix(w.sort, "-lockup") || w.sort == "rcu-stall"
			return w.sort, several
		}
	}
	for _, word := range debugWords {
		if strings.HasPrefix(text, word) && (l.from == "kernel" || word != "WARNING: " || strings.Contains(text, " PID: ")) {
			return "kernel-warning", true
		}
	}
	for _, word := range oopsWords {
		if i := strings.Index(text, word); i == 0 || i > 0 && l.from == "kernel" {
			return "kernel-oops", true
		}
	}
	if strings.HasPrefix(text, "BUG: ") || numbered.MatchString(text) {
		return "kernel-oops", true
	}
	return "", false
}

// What a line has that one of the patterns above matches: looking for it is much cheaper.
const hungWords, trapWords = "blocked for more than", "traps: "

var faultWords = []string{"segfault at", "unhandled signal 11"}

// crashed tells whether a process was ended by a fault of its own.
func crashed(text string) bool {
	return slices.ContainsFunc(faultWords, func(w string) bool { return strings.Contains(text, w) }) && segfault.MatchString(text) ||
		strings.Contains(text, trapWords) && trap.MatchString(text)
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// kernel reads a line of the kernel, and tells whether it was one that means something.
func (p *Follower) kernel(l hostLine) bool {
	if p.oom.line(p, l) {
		return true
	}
	sort, several := kernelSort(l)
	switch {
	case sort == "":
		p.open.line(p, l)
		return false
	case p.open.goesOn(sort, l.text):
		p.open.headline(l.text)
		return true
	case sort == "shutdown" || sort == "boot":
		p.close()
	case several:
		p.close()
		p.open = &trace{sort: sort, at: l.at, head: strings.TrimSpace(l.text)}
		p.open.headline(l.text)
		return true
	}
	p.add(sort, evidence.FromKernel, l.at, "kmsg", l.text)
	return true
}

// close ends the report of several lines that is being read.
func (p *Follower) close() {
	if t := p.open; t != nil {
		p.open = nil
		p.add(t.sort, evidence.FromKernel, t.at, "kmsg", t.text())
	}
}
