// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kubeinquest/inquest/lab/internal/machine"
)

const confDir = "/run/inquest/conf"

// controlPlaneSpec is the machine that everything but the nodes runs on.
func (l Lab) controlPlaneSpec(o Options, environment []string) (machine.Spec, error) {
	policy, err := json.MarshalIndent(auditPolicy(), "", " ")
	if err != nil {
		return machine.Spec{}, err
	}
	files := []machine.File{{Path: confDir + "/audit.json", Data: string(policy)}}
	for _, user := range []string{"controller-manager", "scheduler", "admin"} {
		data, err := l.kubeconfigFor(user)
		if err != nil {
			return machine.Spec{}, err
		}
		files = append(files, machine.File{Path: kubeconfigPath(user), Data: string(data)})
	}
	return machine.Spec{
		Name:        controlPlane,
		State:       l.State,
		Cache:       l.Cache,
		Address:     controlIP + "/24",
		Bridge:      bridge,
		Routes:      append(podRoutes(0), "unreachable default"),
		Files:       files,
		Environment: environment,
		Units: []machine.Unit{
			{Name: "etcd", Path: program("hyperkube"), Args: etcdArgs()},
			{Name: "kube-apiserver", Path: program("hyperkube"), Args: apiServerArgs()},
			{Name: "kube-controller-manager", Path: program("hyperkube"), Args: controllerArgs(o), Wait: []string{apiReady}},
			{Name: "kube-scheduler", Path: program("hyperkube"), Args: schedulerArgs(), Wait: []string{apiReady}},
			{Name: "metrics-server", Path: program("metrics-server"), Args: metricsServerArgs(), Wait: []string{apiReady}},
			{Name: "registry", Path: "/proc/self/exe", Args: registryArgs()},
		},
	}, nil
}

func kubeconfigPath(user string) string {
	return filepath.Join(confDir, user+".kubeconfig")
}

func registryArgs() []string {
	return []string{
		"registry", // the lab's hidden command: the unit runs the lab itself
		"--listen", fmt.Sprintf("%s:%d", controlIP, registryPort),
		"--dns", controlIP + ":53",
		"--host", registryName + "=" + controlIP,
	}
}

func etcdArgs() []string {
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return []string{
		"--name=cp",
		"--data-dir=" + filepath.Join(machine.Dir(machine.StateDir, controlPlane), "etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=cp=" + peer,
		"--quota-backend-bytes=4294967296",
		"--auto-compaction-retention=30m",
	}
}

func apiServerArgs() []string {
	args := []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + controlIP, "--bind-address=0.0.0.0", "--secure-port=6443",
		"--service-cluster-ip-range=" + serviceNetwork,
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--enable-aggregator-routing=true", // metrics-server is reached at its own address: no kube-proxy runs here
		"--audit-policy-file=" + confDir + "/audit.json",
		"--audit-log-path=" + filepath.Join(machine.Dir(machine.StateDir, controlPlane), "log", "audit.log"),
		"--audit-log-maxsize=500",
	}
	for _, flag := range []string{
		"tls-cert-file=apiserver.crt", "tls-private-key-file=apiserver.key",
		"client-ca-file=ca.crt",
		"service-account-key-file=sa.pub", "service-account-signing-key-file=sa.key",
		"kubelet-client-certificate=kubelet-client.crt", "kubelet-client-key=kubelet-client.key",
		"kubelet-certificate-authority=ca.crt",
		"requestheader-client-ca-file=ca.crt",
		"proxy-client-cert-file=front-proxy-client.crt", "proxy-client-key-file=front-proxy-client.key",
	} {
		name, file, _ := strings.Cut(flag, "=")
		args = append(args, "--"+name+"="+insidePKI(file))
	}
	return args
}

func controllerArgs(o Options) []string {
	return append(clientArgs("controller-manager"),
		"--root-ca-file="+insidePKI("ca.crt"),
		"--service-account-private-key-file="+insidePKI("sa.key"),
		"--cluster-signing-cert-file="+insidePKI("ca.crt"),
		"--cluster-signing-key-file="+insidePKI("ca.key"),
		"--use-service-account-credentials=true",
		"--service-cluster-ip-range="+serviceNetwork,
		"--node-monitor-grace-period="+o.NodeMonitorGrace.String(),
		"--kube-api-qps=200", "--kube-api-burst=400", // it makes an account for each controller at its start
		"--leader-elect=false",
	)
}

func schedulerArgs() []string {
	return append(clientArgs("scheduler"), "--leader-elect=false")
}

func clientArgs(user string) []string {
	var args []string
	for _, flag := range []string{"kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"} {
		args = append(args, "--"+flag+"="+kubeconfigPath(user))
	}
	return args
}

func metricsServerArgs() []string {
	return append(clientArgs("admin"),
		fmt.Sprintf("--secure-port=%d", metricsPort),
		"--tls-cert-file="+insidePKI("apiserver.crt"),
		"--tls-private-key-file="+insidePKI("apiserver.key"),
		"--kubelet-certificate-authority="+insidePKI("ca.crt"),
		"--kubelet-client-certificate="+insidePKI("kubelet-client.crt"),
		"--kubelet-client-key="+insidePKI("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--metric-resolution=15s",
	)
}

// auditPolicy records every request of people and tools, reads included, so
// that a test can count what a program asked for by its user agent. Of the
// cluster's own programs only the writes are kept, and not those of leases: the
// others are many.
func auditPolicy() map[string]any {
	reads := []string{"get", "list", "watch"}
	programs := strings.Fields("kube-controller-manager kube-scheduler kube-proxy apiserver")
	for i := range programs {
		programs[i] = "system:" + programs[i]
	}
	none := func(more map[string]any) map[string]any {
		more["level"] = "None"
		return more
	}
	own := []string{"system:nodes", "system:serviceaccounts:kube-system"}
	leases := []any{map[string]any{"group": "coordination.k8s.io"}}
	return map[string]any{
		"apiVersion": "audit.k8s.io/v1",
		"kind":       "Policy",
		"omitStages": []string{"RequestReceived"},
		"rules": []any{
			none(map[string]any{"nonResourceURLs": []string{"/healthz*", "/livez*", "/readyz*"}}),
			none(map[string]any{"resources": leases, "users": programs}),
			none(map[string]any{"resources": leases, "userGroups": own}),
			none(map[string]any{"verbs": reads, "users": programs}),
			none(map[string]any{"verbs": reads, "userGroups": own}),
			map[string]any{"level": "Metadata"},
		},
	}
}
