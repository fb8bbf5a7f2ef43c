// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// starting are pods that do not get as far as to run their program.
func starting() []Fault {
	return slices.Concat(pulling(), configuring(), creating(), sandboxes())
}

// pulling are pods whose image their node does not get, each for another reason.
func pulling() []Fault {
	fault := func(name, about string, want ...string) Fault {
		return Fault{Name: name, About: about, So: waiting("ImagePullBackOff"), Ask: "pod/" + name, Want: want, NeedsNodes: true}
	}
	secret := fault("pull-secret-missing", "the pull secret that the pod names does not exist", "CFG007")
	secret.So, secret.Least = all(secret.So, event("FailedToRetrieveImagePullSecret", "")), "likely"
	return []Fault{
		fault("image-forbidden", "the registry answers 403", "IMG002"),
		fault("image-basic-auth", "the registry wants a name and a password", "IMG002"),
		secret,
		fault("image-rate-limited", "the registry answers 429", "IMG006"),
		fault("registry-broken", "the registry answers 500", "IMG003"),
		fault("registry-no-route", "there is no way to the registry", "IMG003"),
		fault("registry-untrusted", "the registry's certificate is signed by an authority that the node does not know", "IMG007"),
		fault("registry-plain-http", "the registry speaks HTTP and the node HTTPS", "IMG007"),
		fault("image-volume-missing", "the registry does not know the image of a volume", "IMG001"),
		{
			Name: "image-volume-subpath", About: "the image of a volume does not have the directory to mount",
			So: waiting("CreateContainerError"), Ask: "pod/image-volume-subpath", Want: []string{"IMG016"}, NeedsNodes: true,
		},
	}
}

// configuring are pods that the kubelet cannot configure, or whose program misses what it should be given.
func configuring() []Fault {
	const reason = "CreateContainerConfigError"
	fault := func(name, about string, so Check, want ...string) Fault {
		return Fault{Name: name, About: about, So: so, Ask: "pod/" + name, Want: want}
	}
	large := fault("environment-large", "a variable is larger than the kernel takes", looping(1, "Error"), "CFG010")
	large.Least = "likely"
	named := fault("user-named", "the image's user is a name, and must not be root", waiting(reason), "CFG005")
	named.NeedsNodes = true // the lab's image
	token := fault("token-missing", "the program wants the token that its pod does not mount", looping(1, "Error"), "CFG012")
	token.Least = "likely"
	dropped := fault("capability-dropped", "the program wants a capability that its container drops", looping(1, "Error"), "CRT016")
	dropped.Least = "likely"
	sidecar := fault("sidecar-crashing", "a sidecar fails while the main container is well", sidecarFails, "EXT001", "INI002", "EXT011")
	sidecar.Least = "likely"
	return []Fault{
		fault("user-root", "the image runs as root, and must not", waiting(reason), "CFG004"),
		named,
		{
			Name: "account-deleted", About: "the service account of a pod is deleted before the pod gets to its node",
			Ready: pod(func(*corev1.Pod) bool { return true }), Act: inTurn(deleteAccount("shop-runner"), openGate),
			So: event("FailedMount", "failed to fetch token"), Ask: "pod/account-deleted", Want: []string{"CFG006"}, Least: "likely",
		},
		fault("subpath-file", "the subPath leads through a file", waiting(reason), "CFG008"),
		large, token, dropped,
		sidecar,
	}
}

// creating are pods whose container the runtime does not make or start.
func creating() []Fault {
	fault := func(name, about string, so Check, want ...string) Fault {
		return Fault{Name: name, About: about, So: so, Ask: "pod/" + name, Want: want}
	}
	refused := anyStatus(func(st corev1.ContainerStatus) bool {
		t := st.LastTerminationState.Terminated
		return st.State.Waiting != nil && (t != nil && t.Reason == "StartError" || st.State.Waiting.Reason == "CreateContainerError")
	})
	return []Fault{
		fault("mount-type", "the subPath of a ConfigMap names no key and is mounted on a file", refused, "CRT004"),
		fault("mount-below-readonly", "a volume is mounted below a read-only one", refused, "CRT005"),
		fault("seccomp-missing", "the seccomp profile is not on the node", refused, "CRT006"),
		fault("workdir-file", "the working directory is a file", refused, "CRT015"),
	}
}

// sandboxes are pods whose sandbox cannot be made, or not be kept, or not be taken down.
func sandboxes() []Fault {
	onNode := func(name, about, part, want, do, undo string) Fault {
		return Fault{
			Name: name, About: about, Prepare: shell(do), Undo: shell(undo), So: event("FailedCreatePodSandBox", part),
			Ask: "pod/" + name, Want: []string{want}, Least: "likely", NeedsNodes: true, Alone: true,
		}
	}
	uninitialised := onNode("network-missing", "the node has no network configuration", "", "SBX002", hide(conflist), restore(conflist))
	uninitialised.So = event("NetworkNotReady", "")
	uninitialised.Undo = inTurn(uninitialised.Undo, await(node(corev1.ConditionTrue)))
	uninitialised.Want = []string{"SBX002", "NOD012"}
	exhausted := onNode("addresses-exhausted", "the node's range has a single address, and another pod has it", "no IP addresses available", "SBX001",
		configure(`s,"subnet": "10.243.2.0/24",&\, "rangeStart": "10.243.2.201"\, "rangeEnd": "10.243.2.201",`), restore(conflist))
	exhausted.Ready, exhausted.Act = anyReady, openGate
	return []Fault{{
		Name: "runtime-unknown", About: "the node's runtime does not know the handler of the runtime class",
		Prepare: runtimeClass(true), Undo: runtimeClass(false), So: event("FailedCreatePodSandBox", "no runtime for"),
		Ask: "pod/runtime-unknown", Want: []string{"SBX011"}, Least: "likely", NeedsNodes: true,
	},
		uninitialised,
		onNode("network-plugin-missing", "the program of the network plugin is not on the node", "failed to find plugin", "SBX003", hide(bridge), restore(bridge)),
		exhausted,
		onNode("network-version", "the network configuration is of a version that the plugin does not know", "ersion", "SBX007",
			configure(`s/"cniVersion": "1.0.0"/"cniVersion": "1.1.0"/`), restore(conflist)),
		{
			Name: "sandbox-killed", About: "the sandbox of a pod that runs is killed", Ready: ready(),
			Act: shell("ctr -n k8s.io tasks kill -s 9 $(ctr -n k8s.io containers ls -q 'labels.\"io.cri-containerd.kind\"==sandbox,labels.\"io.kubernetes.pod.namespace\"==NAMESPACE')"),
			So:  all(event("SandboxChanged", ""), restarted(1)), Ask: "pod/sandbox-killed", Want: []string{"SBX008"}, Least: "likely", NeedsNodes: true,
		}, {
			Name: "sandbox-kept", About: "the network plugin cannot take the sandbox of a deleted pod down", Ready: all(ready(), node(corev1.ConditionTrue)),
			Act: inTurn(shell(hide(bridge)), deletePod), So: event("FailedKillPod", "KillPodSandboxError"), Undo: shell(restore(bridge)),
			Ask: "pod/sandbox-kept", Want: []string{"SBX009", "DEL001"}, Least: "likely", NeedsNodes: true, Alone: true,
		},
	}
}

// Where a node has its network configuration and the program that this names.
const (
	conflist = "/etc/cni/net.d/10-lab.conflist"
	bridge   = "/opt/cni/bin/bridge"
	kept     = "/etc/cni/kept"
)

// hide moves a file of a node away, restore puts it back where it was hidden or changed. containerd takes notice of a file
// that is written, not of one that is moved into its place.
func hide(file string) string { return "mv " + file + " " + kept }
func restore(file string) string {
	return "test ! -e " + kept + " || { cp -P " + kept + " " + file + " && rm " + kept + "; }"
}

// configure changes the node's network configuration by a command of sed.
func configure(command string) string {
	return "cp " + conflist + " " + kept + " && sed '" + command + "' " + kept + " > " + conflist
}

// shell runs a line on the node that faults run on.
func shell(line string) Action { return lab("exec", n2, "--", "sh", "-c", line) }

// runtimeClass makes or removes a runtime class whose handler no node has.
func runtimeClass(wanted bool) Action {
	return func(ctx context.Context, c Cluster) error {
		classes := c.NodeV1().RuntimeClasses()
		if !wanted {
			return ignoreMissing(classes.Delete(ctx, "gvisor", metav1.DeleteOptions{}))
		}
		class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "gvisor"}, Handler: "runsc"}
		_, err := classes.Create(ctx, class, metav1.CreateOptions{})
		return err
	}
}

// deleteAccount deletes a service account.
func deleteAccount(name string) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.CoreV1().ServiceAccounts(c.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	}
}

// openGate lets the scheduler place the namespace's only pod.
func openGate(ctx context.Context, c Cluster) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			list.Items[i].Spec.SchedulingGates = nil
			if _, err := c.CoreV1().Pods(c.Namespace).Update(ctx, &list.Items[i], metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// anyReady holds when a pod of the namespace is ready.
func anyReady(ctx context.Context, c Cluster) (bool, error) {
	list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	return err == nil && slices.ContainsFunc(list.Items, func(p corev1.Pod) bool { return isReady(&p) }), err
}

// sidecarFails holds when a sidecar has restarted and the main container is ready.
func sidecarFails(ctx context.Context, c Cluster) (bool, error) {
	return pod(func(p *corev1.Pod) bool {
		init, main := p.Status.InitContainerStatuses, p.Status.ContainerStatuses
		return len(init) == 1 && len(main) == 1 && init[0].RestartCount > 0 && !init[0].Ready && main[0].Ready
	})(ctx, c)
}
