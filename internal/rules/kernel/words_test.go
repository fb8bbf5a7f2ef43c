// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"slices"
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func facts(texts ...string) []evidence.Fact {
	var list []evidence.Fact
	for _, text := range texts {
		list = append(list, evidence.Fact{Text: text})
	}
	return list
}

// TestOneUncorrectedErrorIsEnough holds the words of drivers/edac, arch/x86/kernel/cpu/mce, drivers/acpi/apei and
// mm/memory-failure.c.
func TestOneUncorrectedErrorIsEnough(t *testing.T) {
	const corrected = "mce: [Hardware Error]: corrected error, no action required."
	for text, want := range map[string]bool{
		"EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#1_DIMM#0":                      true,
		"EDAC MC0: 1 UE memory read error on CPU_SrcID#0_MC#0_Chan#1_DIMM#0":                      false,
		"mce: [Hardware Error]: Machine check events logged":                                      true,
		"mce: [Hardware Error]: Uncorrected, software restartable error.":                         false,
		"{1}[Hardware Error]: event severity: fatal":                                              false,
		"Memory failure: 0x1a2b3c: Sending SIGBUS to java:2211 due to hardware memory corruption": false,
	} {
		if got := onlyCorrected(facts(corrected, text)); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#1_DIMM#0": true,
		"mce: [Hardware Error]: Machine check events logged":                 false, // which may be of any sort
		corrected: true,
	} {
		if got := onlyCorrected(facts(text)); got != want {
			t.Errorf("only %s: %t, want %t", text, got, want)
		}
	}
}

func TestHowOften(t *testing.T) {
	for want, texts := range map[string][]string{
		"":           {"a"},
		", 2 times":  {"a", "b"},
		", 42 times": {"a", "b (and 40 more before it)"},
	} {
		if got := times(facts(texts...)); got != want {
			t.Errorf("%q: %q, want %q", texts, got, want)
		}
	}
}

func TestDistinctWordsAreFewAndInOrder(t *testing.T) {
	got := distinct(facts("b", "", "a", "b", "c", "d", "e"), func(f evidence.Fact) string { return f.Text })
	if want := []string{"b", "a", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFirstRecordsAndTheLastAreCited(t *testing.T) {
	if got, want := few(facts("a", "b", "c", "d", "e", "f")), facts("a", "b", "c", "f"); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestNamesOfDevices holds how file systems, block devices and drivers name a device.
func TestNamesOfDevices(t *testing.T) {
	for text, want := range map[string]string{
		"EXT4-fs error (device sda1): ext4_lookup:1785: inode #131090: comm kubelet: deleted inode": "sda1",
		"EXT4-fs (dm-0): Remounting filesystem read-only":                                           "dm-0",
		"Aborting journal on device dm-0-8.":                                                        "dm-0",
		"JBD2: Detected IO errors while flushing file data on sda1-8":                               "sda1",
		"JBD2: Detected IO errors -5 while flushing file data on sda1-8":                            "sda1",
		"FAT-fs (vdc): Remounting filesystem read-only":                                             "vdc",
		"XFS (nvme1n1): Log I/O Error (0x2) detected at xlog_ioend_work. Shutting down filesystem.": "nvme1n1",
		"BTRFS critical (device vdb): corrupt leaf":                                                 "vdb",
		"BTRFS info (device vdb: state EA): forced readonly":                                        "vdb",
		"I/O error, dev sdc, sector 52428296 op 0x1:(WRITE)":                                        "sdc",
		"Buffer I/O error on dev dm-3, logical block 6553536, async page read":                      "dm-3",
		"nvme nvme1: I/O 642 QID 3 timeout, aborting":                                               "nvme1",
		"sd 2:0:0:0: rejecting I/O to offline device":                                               "",
	} {
		if got := device(evidence.Fact{Text: text}); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestNamesOfCards holds how drivers and the watchdog of net/sched/sch_generic.c name a network card.
func TestNamesOfCards(t *testing.T) {
	for text, want := range map[string]string{
		"NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 0 timed out":                              "eth0",
		"NETDEV WATCHDOG: eth0: transmit timed out":                                                   "eth0",
		"ice 0000:b1:00.0 ens801f0np0: NETDEV WATCHDOG: CPU: 38: transmit queue 14 timed out 5120 ms": "ens801f0np0",
		"igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down":                                           "eth0",
		"ixgbe 0000:01:00.0 enP2p1s0f0: NIC Link is Up 10 Gbps, Flow Control: RX/TX":                  "enP2p1s0f0",
		"cali12ab@if4: Link is Down":                                                                  "cali12ab@if4",
	} {
		if got := cardOf(evidence.Fact{Text: text}); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestWhyItPanicked holds the words of the callers of panic in kernel, mm and drivers.
func TestWhyItPanicked(t *testing.T) {
	for reason, want := range map[string]string{
		"Out of memory: system-wide panic_on_oom is enabled": " because memory ran out (vm.panic_on_oom)",
		"Out of memory: compulsory panic_on_oom is enabled":  " because memory ran out (vm.panic_on_oom)",
		"Hard LOCKUP":                                   " because a processor was locked up with interrupts off (kernel.hardlockup_panic)",
		"Watchdog detected hard LOCKUP on cpu 5":        " because a processor was locked up with interrupts off (kernel.hardlockup_panic)",
		"softlockup: hung tasks":                        " because a processor was locked up (kernel.softlockup_panic)",
		"Attempted to kill init! exitcode=0x0000000b":   " because process 1 of the machine ended",
		"corrupted stack end detected inside scheduler": " (corrupted stack end detected inside scheduler)",
		"": "",
	} {
		if got := why(evidence.Fact{Text: "Kernel panic - not syncing: " + reason}); got != want {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
}
