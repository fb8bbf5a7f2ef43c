// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"slices"
	"strings"
)

// runtimes are the programs of container runtimes.
var runtimes = []string{"containerd", "crio", "cri-o", "dockerd", "docker", "runc", "conmon", "cri-dockerd", "containerd-shim"}

// programWords says by which words a sort of record of the kubelet, a runtime or the service manager is known, over the
// versions from 1.19 on. Each part must be in the line; the first entry that fits counts.
var programWords = []struct {
	sort  string
	parts []string
}{
	{"", []string{"pleg has yet to be successful"}},                          // a kubelet that was just started
	{"pleg-unhealthy", []string{"PLEG is not healthy"}},                      // kubernetes pkg/kubelet/pleg/generic.go
	{"pleg-unhealthy", []string{"pleg was last seen active"}},                //
	{"runtime-down", []string{"container runtime is down"}},                  // pkg/kubelet/runtime.go
	{"runtime-down", []string{"Container runtime sanity check failed"}},      // pkg/kubelet/kubelet.go
	{"runtime-down", []string{"Cannot connect to the Docker daemon"}},        //
	{"runtime-down", []string{"validate service connection"}},                // pkg/kubelet/cri/remote
	{"runtime-down", []string{"connection error", "containerd.sock"}},        // as grpc words it
	{"runtime-down", []string{"connection error", "crio.sock"}},              //
	{"runtime-down", []string{"dial unix", ".sock", "refused"}},              //
	{"runtime-down", []string{"dial unix", ".sock", "no such file"}},         //
	{"network-unready", []string{"cni plugin not initialized"}},              // containerd
	{"network-unready", []string{"cni config uninitialized"}},                // dockershim
	{"network-unready", []string{"No CNI configuration file in"}},            // cri-o
	{"image-gc-failed", []string{"mage garbage collection failed"}},          // pkg/kubelet/kubelet.go
	{"image-gc-failed", []string{"garbage collect required amount of"}},      // pkg/kubelet/images/image_gc_manager.go
	{"eviction", []string{"viction manager: attempting to reclaim"}},         // pkg/kubelet/eviction/eviction_manager.go
	{"eviction", []string{"viction manager: must evict pod"}},                //
	{"eviction", []string{"viction manager: pod", "is evicted success"}},     //
	{"cert-expired", []string{"certificate has expired"}},                    // crypto/x509
	{"cert-expired", []string{"bootstrap client certificate", "expired"}},    // pkg/kubelet/certificate/bootstrap
	{"cert-expired", []string{"Part of the existing", "is expired"}},         //
	{"cgroup-driver", []string{"cgroup driver", "is different from"}},        // pkg/kubelet/dockershim
	{"cgroup-driver", []string{"misconfiguration: kubelet cgroup driver"}},   //
	{"cgroup-driver", []string{"expected cgroupsPath to be of format"}},      // opencontainers/runc libcontainer/specconv
	{"cgroup-driver", []string{"not a valid slice", "cgroup"}},               //
	{"node-allocatable", []string{"FailedNodeAllocatableEnforcement"}},       // pkg/kubelet/cm/node_container_manager_linux.go
	{"node-allocatable", []string{"Failed to update Node Allocatable"}},      //
	{"node-allocatable", []string{"Failed to start ContainerManager"}},       // pkg/kubelet/kubelet.go
	{"node-allocatable", []string{"failed to enforce", "Reserved Cgroup"}},   //
	{"disk-usage-slow", []string{"disk usage and inodes count on"}},          // cadvisor container/common/fsHandler.go
	{"", []string{"ailed to update lease", "Operation cannot be fulfilled"}}, // somebody else wrote it meanwhile
	{"lease-failed", []string{"ailed to update lease"}},                      // component-helpers apimachinery/lease
	{"lease-failed", []string{"ailed to update node lease"}},                 //
	{"lease-failed", []string{"ailed to ensure", "lease exists"}},            //
	{"", []string{"rror updating node status", "not found"}},                 // before the node has registered
	{"status-failed", []string{"rror updating node status"}},                 // pkg/kubelet/kubelet_node_status.go
	{"status-failed", []string{"nable to update node status"}},               //
	{"kubelet-failed", []string{"running with swap on is not supported"}},    // pkg/kubelet/cm/container_manager_linux.go
	{"kubelet-failed", []string{"ailed to run Kubelet"}},                     // cmd/kubelet/app/server.go
	{"kubelet-failed", []string{"ailed to load kubelet config file"}},        //
	{"kubelet-failed", []string{"ailed to load Kubelet config file"}},        //
	{"kubelet-failed", []string{"ailed to validate kubelet"}},                //
	{"kubelet-failed", []string{"not run on a host using cgroup v1"}},        // pkg/kubelet/cm
	{"kubelet-failed", []string{"\"command failed\" err="}},                  // cmd/kubelet
	{"fork-failed", []string{"failed to create new OS thread"}},              // Go's runtime
	{"fork-failed", []string{"fork/exec", "temporarily unavailable"}},        // Go's os/exec
	{"fork-failed", []string{"ork: ", "temporarily unavailable"}},            // bash
	{"fork-failed", []string{"pthread_create failed"}},                       //
	{"fork-failed", []string{"unable to create new native thread"}},          //
	{"fork-failed", []string{"fork: Cannot allocate memory"}},                //
	{"file-table", []string{"too many open files"}},                          // syscall ENFILE and EMFILE
	{"overlay-corrupt", []string{"/overlay2", "invalid argument"}},           // docker
	{"overlay-corrupt", []string{"ailed to register layer"}},                 //
	{"overlay-corrupt", []string{"layer does not exist"}},                    //
	{"overlay-corrupt", []string{"content digest", "not found"}},             // containerd content store
	{"overlay-corrupt", []string{"ailed to mount overlay"}},                  //
	{"overlay-corrupt", []string{"error creating overlay mount"}},            //
	{"overlay-corrupt", []string{"failed to mount rootfs component"}},        //
	{"overlay-corrupt", []string{"parent snapshot", "does not exist"}},       // containerd snapshots
	{"disk-full", []string{"no space left on device"}},                       // syscall ENOSPC
	{"etc-hosts", []string{"error mounting", "etc-hosts", "/etc/hosts"}},     // runc
	{"sandbox-failed", []string{"CreatePodSandbox for pod failed"}},          // pkg/kubelet/kuberuntime
	{"sandbox-failed", []string{"unPodSandbox", "failed"}},                   //
	{"log-rotation", []string{"ailed to rotate log"}},                        // pkg/kubelet/logs/container_log_manager.go
	{"orphan-volume", []string{"rphaned pod", "volume"}},                     // pkg/kubelet/kubelet_volumes.go
	{"iptables", []string{"xtables lock"}},                                   // iptables
	{"iptables", []string{"iptables-restore", "failed"}},                     //
	{"device", []string{"evice plugin", "nhealthy"}},                         // pkg/kubelet/cm/devicemanager
	{"device", []string{"no healthy devices present"}},                       //
	{"clock", []string{"System clock wrong by"}},                             // chrony
	{"clock", []string{"Can't synchronise: no selectable sources"}},          //
	{"clock", []string{"no server suitable for synchronization"}},            // ntpd
	{"clock", []string{"time stepped by"}},                                   //
	{"kubelet-unhealthy", []string{":10248/healthz", "refused"}},             // kubeadm, node-problem-detector
	{"kubelet-unhealthy", []string{":10248/healthz", "deadline exceeded"}},   //
	{"unit-loop", []string{"Start request repeated too quickly"}},            // systemd src/core/unit.c
	{"unit-loop", []string{"Scheduled restart job, restart counter"}},        // systemd src/core/service.c
	{"unit-failed", []string{"Main process exited, code="}},                  //
	{"unit-failed", []string{"Failed with result '"}},                        //
}

// ofNode are the services of a node whose end is the node's trouble.
var ofNode = []string{"kubelet", "containerd", "crio", "docker", "kube-proxy"}

// kubeletSort says which sort of record a line of a program of the node is; "" for one that tells of no trouble, and for
// the lines of other programs.
func kubeletSort(l hostLine) string {
	text := l.text
	switch {
	case l.from == "systemd" || strings.Contains(text, ".service: "):
		if !slices.ContainsFunc(ofNode, func(unit string) bool { return strings.Contains(text, unit) }) {
			return ""
		}
	case strings.HasPrefix(text, "panic: ") && l.from != "":
		return "program-panic"
	case l.from != "" && !slices.Contains(ofNode, l.from) && !slices.Contains(runtimes, l.from) && !slices.Contains(timekeepers, l.from):
		return ""
	}
	for _, w := range programWords {
		if containsAll(text, w.parts) {
			return w.sort
		}
	}
	if (l.from == "systemd" || l.from == "") && started(text) {
		return "unit-start"
	}
	return ""
}

// timekeepers are the programs that set a node's clock.
var timekeepers = []string{"chronyd", "ntpd", "systemd-timesyncd", "ntpdate"}

// started tells whether the service manager says that it started the kubelet or a runtime.
func started(text string) bool {
	if !strings.HasPrefix(text, "Started ") && !strings.HasPrefix(text, "Starting ") {
		return false
	}
	text = strings.ToLower(text)
	return strings.HasPrefix(text, "started") && strings.Contains(text, "kubelet") ||
		strings.HasPrefix(text, "starting") && (strings.Contains(text, "containerd") || strings.Contains(text, "docker application") || strings.Contains(text, "crio"))
}
