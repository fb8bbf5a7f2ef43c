// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/kubeinquest/inquest/lab/internal/build"
	"github.com/kubeinquest/inquest/lab/internal/machine"
)

// nodeSpec is a machine with containerd, kubelet and kube-proxy.
func (l Lab) nodeSpec(o NodeOptions, environment []string) (machine.Spec, error) {
	n := o.number()
	s := machine.Spec{
		Name:    o.Name,
		State:   l.State,
		Cache:   l.Cache,
		Address: nodeIP(n) + "/24",
		Bridge:  bridge,
		Routes: append(podRoutes(n),
			serviceNetwork+" dev eth0", // so that the node's own processes get as far as kube-proxy's rules
			"unreachable default"),
		Node:        true,
		DiskMiB:     o.DiskMiB,
		MemoryMiB:   o.MemoryMiB,
		Environment: environment,
		Units: []machine.Unit{
			{Name: "containerd", Path: program("containerd"), Args: []string{"--config", "/etc/containerd/config.toml"}},
			{Name: importUnit, Path: program("ctr"), Once: true,
				Args: []string{"--namespace", "k8s.io", "images", "import", filepath.Join(machine.CacheDir, "images.tar")}},
			{Name: "kubelet", Path: program("hyperkube"), Args: kubeletArgs(o), Wait: []string{importUnit, apiReady}},
			{Name: "kube-proxy", Path: program("hyperkube"), Args: proxyArgs(o), Wait: []string{apiReady}},
		},
	}
	files, err := l.nodeFiles(o, s.Cgroup())
	s.Files = files
	return s, err
}

func kubeletArgs(o NodeOptions) []string {
	return []string{
		"--config=" + confDir + "/kubelet.json",
		"--kubeconfig=" + kubeconfigPath(o.Name),
		"--hostname-override=" + o.Name,
		"--node-ip=" + nodeIP(o.number()),
		"--v=2",
	}
}

func proxyArgs(o NodeOptions) []string {
	return []string{
		"--kubeconfig=" + kubeconfigPath("proxy"),
		"--proxy-mode=nftables",
		"--hostname-override=" + o.Name,
		"--bind-address=" + nodeIP(o.number()),
		"--cluster-cidr=" + podNetwork,
		"--conntrack-max-per-core=0", // the table's size is the host's: leave it
	}
}

func (l Lab) nodeFiles(o NodeOptions, cgroup string) ([]machine.File, error) {
	kubelet, err := kubeletConfig(o, cgroup)
	if err != nil {
		return nil, err
	}
	files := []machine.File{
		{Path: confDir + "/kubelet.json", Data: kubelet},
		{Path: "/etc/containerd/config.toml", Data: containerdConfig},
		{Path: fmt.Sprintf("/etc/containerd/certs.d/%s:%d/hosts.toml", registryName, registryPort), Data: plainHTTP(registryPort)},
		{Path: fmt.Sprintf("/etc/containerd/certs.d/%s:%d/hosts.toml", registryName, registryPort+1), Data: plainHTTP(registryPort + 1)},
		{Path: "/etc/cni/net.d/10-lab.conflist", Data: cniConfig(podSubnet(o.number()))},
		{Path: "/etc/resolv.conf", Data: "nameserver " + controlIP + "\n"},
		{Path: "/etc/machine-id", Data: machine.ID(o.Name) + "\n"},
	}
	for _, plugin := range []string{"bridge", "host-local", "loopback", "portmap"} {
		files = append(files, machine.File{
			Path: filepath.Join("/opt/cni/bin", plugin),
			Link: filepath.Join(machine.CacheDir, "debian/usr/lib/cni", plugin),
		})
	}
	for _, user := range []string{o.Name, "proxy"} {
		data, err := l.kubeconfigFor(user)
		if err != nil {
			return nil, err
		}
		files = append(files, machine.File{Path: kubeconfigPath(user), Data: string(data)})
	}
	return files, nil
}

// containerdConfig: without CAP_SYS_RESOURCE no one may lower oom_score_adj,
// which the sandbox wants, so containerd clamps it. The handler broken has a
// runtime that does not exist: a pod with such a RuntimeClass gets no sandbox.
const containerdConfig = `version = 3
root = '/var/lib/containerd'
state = '/run/containerd'

[grpc]
  address = '/run/containerd/containerd.sock'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '` + build.PauseImage + `'

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '/etc/containerd/certs.d'

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '` + machine.CacheDir + `/bin/runc'
  SystemdCgroup = false

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.broken]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.broken.options]
  BinaryName = '/opt/broken/runc'
  SystemdCgroup = false
`

// plainHTTP tells containerd that the registry does not speak TLS.
func plainHTTP(port int) string {
	return fmt.Sprintf("server = 'http://%[1]s:%[2]d'\n\n[host.'http://%[1]s:%[2]d']\n  capabilities = ['pull', 'resolve']\n", registryName, port)
}

// cniConfig is a bridge with plain routes: no overlay network, no address
// translation, no iptables.
func cniConfig(subnet string) string {
	data, _ := json.MarshalIndent(map[string]any{ // strings and booleans only: cannot go wrong
		"cniVersion": "1.0.0",
		"name":       "lab",
		"plugins": []any{map[string]any{
			"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
			"ipam": map[string]any{
				"type":   "host-local",
				"ranges": []any{[]any{map[string]any{"subnet": subnet}}},
				"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}},
	}, "", " ")
	return string(data) + "\n"
}
