// SPDX-License-Identifier: Apache-2.0

// Package cluster is the lab's Kubernetes: which machines there are, what runs
// on them and with which settings, and how all of it comes up and goes down.
//
//	bridge inq0 on the host   10.98.0.254
//	machine cp                10.98.0.1    etcd, API server, controllers, scheduler, metrics-server, registry
//	machine n1                10.98.0.11   containerd, kubelet, kube-proxy; pods 10.243.1.0/24
//	machine n2                10.98.0.12   the same; pods 10.243.2.0/24
//
// No machine has a route that leads out of these networks.
package cluster

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// The lab's addresses. They are fixed: there is one lab on a machine.
const (
	bridge          = "inq0"
	controlPlane    = "cp"
	controlIP       = "10.98.0.1"
	hostAddress     = "10.98.0.254/24"
	labNetwork      = "10.98.0.0/24"
	podNetwork      = "10.243.0.0/16"
	serviceNetwork  = "10.97.0.0/16"
	serviceIP       = "10.97.0.1" // of the Service kubernetes in default
	maxNodes        = 9
	registryName    = "registry.lab"
	registryPort    = 5000
	apiURL          = "https://" + controlIP + ":6443"
	apiReady        = apiURL + "/readyz"
	metricsPort     = 4443
	importUnit      = "images"
	nodeNamePattern = `^n[1-9]$`
)

// A Lab is where one lab keeps its state and finds its programs.
type Lab struct {
	State string
	Cache string
}

// Options are what can be chosen about a lab. They are kept in its state.
type Options struct {
	Nodes            []NodeOptions
	NodeMonitorGrace time.Duration // how long a silent node stays Ready
}

// NodeOptions are what can be chosen about one node.
type NodeOptions struct {
	Name       string
	DiskMiB    int64         // a disk of its own for /var/lib/kubelet; 0: the host's
	MemoryMiB  int64         // 0: the host's, of which podMemory is for pods
	MaxBackoff time.Duration // of crash loops; 0: Kubernetes' own five minutes
	Kubelet    string        // JSON object merged into KubeletConfiguration
}

// Validate reports the first option that cannot work.
func (o NodeOptions) Validate() error {
	if !regexp.MustCompile(nodeNamePattern).MatchString(o.Name) {
		return fmt.Errorf("node %q: a node's name is n1 to n%d", o.Name, maxNodes)
	}
	if o.DiskMiB < 0 || o.DiskMiB > 0 && o.DiskMiB < 64 {
		return fmt.Errorf("node %s: a disk has at least 64 MiB", o.Name)
	}
	if o.MemoryMiB < 0 || o.MemoryMiB > 0 && o.MemoryMiB < 512 {
		return fmt.Errorf("node %s: a node needs at least 512 MiB of memory", o.Name)
	}
	_, err := parseOverrides(o.Kubelet)
	return err
}

// number is the digit in a valid node's name.
func (o NodeOptions) number() int {
	n, _ := strconv.Atoi(o.Name[1:]) // Validate has seen it
	return n
}

func nodeIP(number int) string {
	return fmt.Sprintf("10.98.0.%d", 10+number)
}

func podSubnet(number int) string {
	return fmt.Sprintf("10.243.%d.0/24", number)
}

// podRoutes leads to the pods of all nodes there can be but one (0: of all),
// so that no machine has to learn of a node that is added.
func podRoutes(but int) []string {
	var routes []string
	for n := 1; n <= maxNodes; n++ {
		if n != but {
			routes = append(routes, podSubnet(n)+" via "+nodeIP(n))
		}
	}
	return routes
}

// Kubeconfig is the administrator's file.
func (l Lab) Kubeconfig() string {
	return filepath.Join(l.State, "kubeconfig")
}

func (l Lab) pkiDir() string {
	return filepath.Join(l.State, "pki")
}

// Machines are the names a lab with these options has.
func (o Options) Machines() []string {
	names := []string{controlPlane}
	for _, n := range o.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// insidePKI is a certificate or key as programs in the machines see it.
func insidePKI(file string) string {
	return filepath.Join(machine.StateDir, "pki", file)
}

// program is the path of a program as the machines see it.
func program(name string) string {
	return filepath.Join(machine.CacheDir, "bin", name)
}
