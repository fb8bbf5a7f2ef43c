// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A trouble is what a sandbox could not be made for.
type trouble string

const (
	none         trouble = "" // the sandbox did not fail
	other        trouble = "other"
	elsewhere    trouble = "elsewhere" // cgroups and sysctls: faults of the node and of the pod's settings
	exhausted    trouble = "exhausted"
	notReady     trouble = "not ready"
	missing      trouble = "missing"
	unauthorized trouble = "unauthorized"
	late         trouble = "late"
	pause        trouble = "pause"
	version      trouble = "version"
	hostPort     trouble = "host port"
	handler      trouble = "handler"
	down         trouble = "down"
)

// wordings tell the troubles apart; the first that occurs decides. They are those of containerd (internal/cri/server,
// go-cni), CRI-O (server/sandbox_run_linux.go, ocicni), dockershim, and of the plugins: host-local, aws-vpc-cni, azure-vnet,
// calico, cilium, flannel, multus, ovn-kubernetes, weave, whereabouts.
var wordings = []struct {
	why   trouble
	parts []string
}{
	{elsewhere, []string{"cgroup", "sysctl"}},
	{other, []string{"containerd.sock", "crio.sock", "docker.sock", "dockershim.sock", "cri-dockerd.sock", "docker daemon"}}, // the runtime itself is down
	{handler, []string{"no runtime for", "failed to get sandbox runtime", "failed to find runtime handler", "runtimeclass", "unknown runtime"}},
	{pause, []string{"failed to get sandbox image", "sandbox image", "/pause:", "pause image", "image not known"}},
	{version, []string{"incompatible cni versions", "unsupported cni result version", "unsupported cni version", "does not support config version"}},
	{missing, []string{"failed to find plugin"}},
	{exhausted, []string{
		"no ip addresses available", "no available ip addresses", "failed to assign an ip address", "no ips available", "no more ips", "not enough ips", "range is full",
		"ipam allocated only", "allocated only 0", "assigned 0 out of", "no more free affine blocks", "due to per host block limit", "no available addresses", "no free addresses", "no addresses available", "insufficientfreeaddresses",
		"insufficientcidrblocks", "could not allocate ip in range", "ip address pool is exhausted",
	}},
	{notReady, []string{
		"cni plugin not initialized", "cni config uninitialized", "network is not ready", "network not ready", "networkpluginnotready", "no networks found in",
		"no valid networks found", "no cni configuration file",
	}},
	{unauthorized, []string{"unauthorized", "is forbidden", "x509:", "permission denied by"}},
	{down, []string{
		"/var/lib/calico/nodename", "subnet.env", "cilium.sock", "unable to connect to cilium", "cilium api client", "dial unix", "dial tcp 127.0.0.1",
		"dial tcp [::1]", "readinessindicatorfile", "readiness indicator", "pollimmediate error waiting for", "ovs port binding", "failed to get pod annotation",
		"weave-net", "no route to host", "connect: connection refused", "i/o timeout",
	}},
	{late, []string{
		"failed to reserve sandbox name", "is reserved for", "name is reserved", "is already in use by", "context deadline exceeded", "deadlineexceeded",
		"context canceled",
	}},
	{hostPort, []string{"hostport", "host port", "port is already allocated", "address already in use"}},
}

// classify tells what a sandbox could not be made for by the words of the error.
func classify(text string) trouble {
	text = strings.ToLower(text)
	for _, w := range wordings {
		for _, part := range w.parts {
			if !strings.Contains(text, part) {
				continue
			}
			if w.why == late && plugin.MatchString(text) { // it is the plugin that waits for somebody
				return down
			}
			return w.why
		}
	}
	return other
}

// plugin is how the runtimes name the network plugin that failed: containerd's `plugin type="calico" failed (add)`,
// CRI-O's and dockershim's `networkPlugin cni failed`, multus' list of delegates.
var plugin = regex.New(`plugin type=\\?"([^"\\]+)\\?"|failed to find plugin \\?"([^"\\]+)\\?"`)

// pluginIn returns " NAME" of the network plugin that the text names, or "".
func pluginIn(text string) string {
	all := plugin.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return ""
	}
	return " " + all[len(all)-1][1] + all[len(all)-1][2]
}

// hexID is the id of a sandbox, which helps nobody.
var hexID = regex.New(` ?"[0-9a-f]{32,}"`)

// said returns what was said last, without the layers that passed it on, cut to what fits a sentence.
func said(text string) string {
	const most = 200
	for _, layer := range []string{
		"desc = ", "failed (add): ", "failed (delete): ", "failed (del): ", "Failed to create pod sandbox: ", "Failed create pod sandbox: ",
		"failed to start sandbox container: ", "OCI runtime create failed: ", "container process: ", "container init: ",
	} {
		if i := strings.LastIndex(text, layer); i >= 0 {
			text = text[i+len(layer):]
		}
	}
	text = strings.TrimSuffix(strings.Join(strings.Fields(strings.ReplaceAll(text, `\"`, `"`)), " "), ": unknown")
	text = strings.Trim(hexID.ReplaceAllString(text, ""), ".: ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
