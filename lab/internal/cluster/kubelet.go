// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
)

// podMemory is what all pods of a node may use together, in MiB, on a machine
// that has more.
const podMemory = 8 << 10

// kubeletConfig is a KubeletConfiguration as JSON.
func kubeletConfig(o NodeOptions, cgroup string) (string, error) {
	n := o.number()
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",

		"address":           nodeIP(n),
		"tlsCertFile":       insidePKI(o.Name + ".crt"),
		"tlsPrivateKeyFile": insidePKI(o.Name + ".key"),
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": insidePKI("ca.crt")},
		},
		"authorization": map[string]any{"mode": "Webhook"},

		"containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               cgroup,
		"failCgroupV1":             false,                             // Kubernetes 1.37 refuses cgroup v1 unless told otherwise
		"oomScoreAdj":              0,                                 // see containerdConfig
		"makeIPTablesUtilChains":   false,                             // there is no iptables
		"volumePluginDir":          "/var/lib/kubelet/volume-plugins", // the default is below /usr, which is the host's
		"enforceNodeAllocatable":   []string{"pods"},

		"clusterDNS":    []string{controlIP},
		"clusterDomain": "cluster.local",
		"resolvConf":    "/etc/resolv.conf",

		// The host's disk is not the lab's: how full it is must not matter.
		"imageGCHighThresholdPercent": 100,
		"evictionHard": map[string]any{
			"memory.available": "100Mi", "nodefs.available": "256Mi", "imagefs.available": "256Mi",
		},
	}
	if o.DiskMiB > 0 {
		config["evictionHard"] = map[string]any{ // Kubernetes' own
			"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "256Mi",
		}
	}
	if o.MaxBackoff > 0 {
		config["crashLoopBackOff"] = map[string]any{"maxContainerRestartPeriod": o.MaxBackoff.String()}
	}
	if reserved := totalMemoryMiB() - podMemory; o.MemoryMiB == 0 && reserved > 0 {
		config["systemReserved"] = map[string]any{"memory": fmt.Sprintf("%dMi", reserved)}
	}
	overrides, err := parseOverrides(o.Kubelet)
	if err != nil {
		return "", err
	}
	maps.Copy(config, overrides)
	data, err := json.MarshalIndent(config, "", " ")
	return string(data) + "\n", err
}

// parseOverrides reads a JSON object; nothing is an empty one.
func parseOverrides(text string) (map[string]any, error) {
	overrides := map[string]any{}
	if text == "" {
		return overrides, nil
	}
	if err := json.Unmarshal([]byte(text), &overrides); err != nil {
		return nil, fmt.Errorf("kubelet settings are not a JSON object: %w", err)
	}
	return overrides, nil
}

// totalMemoryMiB is the host's memory, 0 when it cannot be read.
func totalMemoryMiB() int64 {
	return memInfoMiB("MemTotal:")
}

func memInfoMiB(name string) int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == name {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib >> 10
		}
	}
	return 0
}
