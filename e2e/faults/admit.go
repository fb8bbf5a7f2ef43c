// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// admission are workloads whose pods the API server does not let in, so that there is no pod.
func admission() []Fault {
	return slices.Concat(limited(), policed(), unfinished())
}

// limited are refused for what they request.
func limited() []Fault {
	return []Fault{{
		Name: "quota-exceeded", About: "the quota has room for two of three pods",
		So: refused("exceeded quota"), Ask: "deploy/quota-exceeded", Want: []string{"ADM001"},
	}, {
		Name: "quota-pods", About: "the quota allows one pod and two are wanted",
		So: event("FailedCreate", "exceeded quota"), Ask: "sts/quota-pods", Want: []string{"ADM001"}, Least: "likely",
	}, {
		Name: "quota-too-small", About: "one pod asks for more than the quota allows in all",
		So: event("FailedCreate", "exceeded quota"), Ask: "job/quota-too-small", Want: []string{"ADM001"}, Least: "likely",
	}, {
		Name: "quota-unspecified", About: "the quota counts CPU limits and the pods state none",
		So: refused("must specify limits.cpu"), Ask: "deploy/quota-unspecified", Want: []string{"ADM002"},
	}, {
		Name: "range-maximum", About: "a container's limit is above the maximum of the LimitRange",
		So: refused("maximum memory usage per Container"), Ask: "deploy/range-maximum", Want: []string{"ADM003"},
	}, {
		Name: "range-minimum", About: "a container's request is below the minimum, and too far below its limit",
		So: event("FailedCreate", "minimum cpu usage per Container"), Ask: "ds/range-minimum", Want: []string{"ADM003"}, Least: "likely",
	}, {
		Name: "range-default", About: "a container's request is above the limit that the LimitRange fills in",
		So: refused("must be less than or equal to memory limit"), Ask: "deploy/range-default", Want: []string{"ADM003"},
	}, {
		Name: "benign-quota-raised", About: "the quota had no room, was raised, and the pods run",
		Ready: refused("exceeded quota"), Act: raiseQuota, So: pods(1, isReady), Ask: "deploy/benign-quota-raised",
	}}
}

// policed are refused by policies and webhooks.
func policed() []Fault {
	return []Fault{{
		Name: "pod-security", About: "the namespace demands the level restricted",
		Prepare: inTurn(demand("restricted"), await(refusesPods)),
		So:      refused("violates PodSecurity"), Ask: "deploy/pod-security", Want: []string{"ADM004"},
	}, {
		Name: "pod-security-hostpath", About: "the namespace demands the level baseline, and the pods want the host's network and files",
		Prepare: demand("baseline"),
		So:      refused("violates PodSecurity"), Ask: "deploy/pod-security-hostpath", Want: []string{"ADM004"},
	}, {
		Name: "webhook-without-endpoints", About: "the webhook's Service has no pods",
		Prepare: inTurn(createGlobal(gateWebhook), await(refusesPods)), Undo: deleteGlobal(gateWebhook),
		So: refused("failed calling webhook"), Ask: "deploy/webhook-without-endpoints", Want: []string{"ADM008"},
	}, {
		Name: "webhook-crashing", About: "the webhook's own pods crash",
		Prepare: inTurn(createGlobal(gateWebhook), await(refusesPods)), Undo: deleteGlobal(gateWebhook),
		So: all(refused("no endpoints available"), event("BackOff", "gate")), Ask: "deploy/webhook-crashing", Want: []string{"EXT001", "ADM008"},
	}, {
		Name: "webhook-service-missing", About: "the webhook's Service does not exist",
		Prepare: inTurn(createGlobal(gateWebhook), await(refusesPods)), Undo: deleteGlobal(gateWebhook),
		So: event("FailedCreate", "not found"), Ask: "ds/webhook-service-missing", Want: []string{"ADM008"}, Least: "likely",
	}, {
		Name: "policy-denied", About: "a ValidatingAdmissionPolicy wants a label that the pods lack",
		Prepare: inTurn(createGlobal(labelPolicy), await(refusesPods)), Undo: deleteGlobal(labelPolicy),
		So: refused("denied request"), Ask: "deploy/policy-denied", Want: []string{"ADM009"},
	}}
}

// unfinished lack what must be there first.
func unfinished() []Fault {
	return []Fault{{
		Name: "account-missing", About: "the pods' service account does not exist",
		So: refused("error looking up service account"), Ask: "deploy/account-missing", Want: []string{"ADM005"},
	}, {
		Name: "priority-missing", About: "the pods' priority class does not exist",
		So: event("FailedCreate", "no PriorityClass"), Ask: "job/priority-missing", Want: []string{"ADM006"}, Least: "likely",
	}, {
		Name: "runtime-missing", About: "the pods' runtime class does not exist",
		So: event("FailedCreate", "RuntimeClass"), Ask: "sts/runtime-missing", Want: []string{"ADM007"}, Least: "likely",
	}, {
		Name: "invalid-pod", About: "the name of the StatefulSet makes a label of its pods too long",
		So:  event("FailedCreate", "is invalid"),
		Ask: "sts/settlement-of-invoices-for-customers-of-the-eastern-region", Want: []string{"ADM011"}, Least: "likely",
	}, {
		Name: "paused-before-rollout", About: "a Deployment is paused before its first rollout",
		So: all(seenDeployment("paused-before-rollout"), olderThan(35*time.Second)), Ask: "deploy/paused-before-rollout", Want: []string{"WRK011"},
	}}
}

// crowding are pods that their node turns away, or that no node has enough for.
func crowding() []Fault {
	return []Fault{{
		Name: "node-out-of-cpu", About: "the manifest names a node that has too little CPU",
		So: podFailed("OutOfcpu"), Ask: "pod/node-out-of-cpu", Want: []string{"ADM014"}, NeedsNodes: true,
	}, {
		Name: "node-mismatch", About: "the manifest names a node that lacks the label which it selects",
		So: podFailed("NodeAffinity"), Ask: "pod/node-mismatch", Want: []string{"ADM015"}, NeedsNodes: true,
	}, {
		Name: "node-port-held", About: "the manifest names a node where another pod has the host port",
		So: podFailed("NodePorts"), Ask: "pod/node-port-held", Want: []string{"ADM016"}, NeedsNodes: true,
	}, {
		Name: "wrong-system", About: "a pod for Windows is on a node with Linux",
		So: podFailed("PodOSNotSupported"), Ask: "pod/wrong-system", Want: []string{"ADM019"},
	}, {
		Name: "sysctl-forbidden", About: "the pod sets a sysctl that the kubelet does not allow",
		So: podFailed("SysctlForbidden"), Ask: "pod/sysctl-forbidden", Want: []string{"ADM020"},
	}, {
		Name: "no-gpu", About: "no node offers a GPU",
		So: unplaced("Insufficient nvidia.com/gpu"), Ask: "deploy/no-gpu", Want: []string{"SCH004"},
	}, {
		Name: "dongles-taken", About: "another pod has the only device",
		Prepare: offerDongle(`"1"`), Undo: offerDongle("null"),
		So: unplaced("Insufficient lab.local/dongle"), Ask: "pod/dongles-taken", Want: []string{"SCH004"}, NeedsNodes: true,
	}, {
		Name: "storage-too-large", About: "no node has so much local storage",
		So: unplaced("Insufficient ephemeral-storage"), Ask: "deploy/storage-too-large", Want: []string{"SCH001"},
	}, {
		Name: "node-full", About: "the only node that matches has room for one of two pods",
		So: unplaced("Insufficient ephemeral-storage"), Ask: "deploy/node-full", Want: []string{"SCH001"}, NeedsNodes: true,
	}, {
		Name: "volumes-exhausted", About: "no node can attach one more volume",
		Prepare: inTurn(createGlobal(pinnedVolume+ofDriver), attachable(true)),
		Undo:    inTurn(deleteGlobal(pinnedVolume+ofDriver), attachable(false)),
		So:      unplaced("max volume count"), Ask: "pod/volumes-exhausted", Want: []string{"SCH006"}, NeedsNodes: true,
	}}
}

// placing are pods that no node satisfies.
func placing() []Fault {
	return []Fault{{
		Name: "volume-elsewhere", About: "the volume is on a node that is gone",
		Prepare: createGlobal(pinnedVolume + ofLostNode), Undo: deleteGlobal(pinnedVolume + ofLostNode),
		So: unplaced("node affinity"), Ask: "pod/volume-elsewhere", Want: []string{"SCH011", "STO009"},
	}, {
		Name: "too-many-apart", About: "three pods may not share a node, and there are two nodes",
		So: unplaced("pod anti-affinity rules"), Ask: "deploy/too-many-apart", Want: []string{"SCH008"},
	}, {
		Name: "beside-nobody", About: "the pod must be beside pods that do not exist",
		So: unplaced("pod affinity rules"), Ask: "deploy/beside-nobody", Want: []string{"SCH008"},
	}, {
		Name: "contradictory-affinity", About: "the pod must and must not be beside the same pods",
		So: unplaced("affinity rules"), Ask: "deploy/contradictory-affinity", Want: []string{"SCH008"},
	}, {
		Name: "unwelcome", About: "pods on every node do not let this one beside them",
		Ready: pods(2, isReady), Act: patchDeployment("unwelcome", `{"spec":{"replicas":1}}`),
		So: unplaced("existing pods anti-affinity rules"), Ask: "deploy/unwelcome", Want: []string{"SCH008"},
	}, {
		Name: "spread-without-label", About: "no node has the label that the pods are spread by",
		So: unplaced("missing required label"), Ask: "deploy/spread-without-label", Want: []string{"SCH009"},
	}, {
		Name: "spread-uneven", About: "the pods fit one node only, and must be spread over two",
		So: unplaced("topology spread constraints"), Ask: "deploy/spread-uneven", Want: []string{"SCH009"}, NeedsNodes: true,
	}, {
		Name: "host-port-taken", About: "three pods want the same port of two nodes",
		So: unplaced("free ports"), Ask: "deploy/host-port-taken", Want: []string{"SCH010"},
	}, {
		Name: "gated", About: "the pod has a scheduling gate that nobody removes",
		So: unplaced(""), Ask: "pod/gated", Want: []string{"SCH013"},
	}, {
		Name: "no-scheduler", About: "the pods name a scheduler that does not exist",
		So: all(pods(1, pending), olderThan(35*time.Second)), Ask: "pod/no-scheduler", Want: []string{"SCH014"}, Least: "likely",
	}, {
		Name: "device-claim-missing", About: "the pod's ResourceClaim does not exist",
		So: all(pods(1, pending), olderThan(35*time.Second)), Ask: "pod/device-claim-missing", Want: []string{"SCH018"}, Least: "likely",
	}, {
		Name: "benign-scheduled-late", About: "no node matched the pod at first, and now it runs",
		Ready: unplaced("didn't match"), Act: labelNode("kubeinquest.io/late", true), So: ready(), Undo: labelNode("kubeinquest.io/late", false),
		Ask: "pod/benign-scheduled-late",
	}}
}

// refused holds when a ReplicaSet of the namespace says in its conditions that it was refused a pod in such words.
func refused(part string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.AppsV1().ReplicaSets(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(rs appsv1.ReplicaSet) bool {
			return slices.ContainsFunc(rs.Status.Conditions, func(c appsv1.ReplicaSetCondition) bool {
				return c.Type == appsv1.ReplicaSetReplicaFailure && strings.Contains(c.Message, part)
			})
		}), nil
	}
}

// refusesPods holds when the API server would refuse a plain pod in the namespace.
func refusesPods(ctx context.Context, c Cluster) (bool, error) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe"}}
	pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "lab.local/app:v1"}}
	_, err := c.CoreV1().Pods(c.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err != nil, nil
}

// unplaced holds when the scheduler says of a pod of the namespace why it has no node, in such words.
func unplaced(part string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(p corev1.Pod) bool {
			return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
				return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && strings.Contains(c.Message, part)
			})
		}), nil
	}
}

func pending(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodPending }

// podFailed holds when a pod of the namespace has failed for that reason.
func podFailed(reason string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(p corev1.Pod) bool {
			return p.Status.Phase == corev1.PodFailed && p.Status.Reason == reason
		}), nil
	}
}

// olderThan holds when the namespace is older than that.
func olderThan(d time.Duration) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		ns, err := c.CoreV1().Namespaces().Get(ctx, c.Namespace, metav1.GetOptions{})
		return err == nil && time.Since(ns.CreationTimestamp.Time) > d, err
	}
}

func seenDeployment(name string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		d, err := c.AppsV1().Deployments(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration >= d.Generation, err
	}
}

// demand sets the Pod Security level of the namespace.
func demand(level string) Action {
	return func(ctx context.Context, c Cluster) error {
		patch := fmt.Sprintf(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":%q}}}`, level)
		_, err := c.CoreV1().Namespaces().Patch(ctx, c.Namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
}

func raiseQuota(ctx context.Context, c Cluster) error {
	patch := []byte(`{"spec":{"hard":{"limits.cpu":"4"}}}`)
	_, err := c.CoreV1().ResourceQuotas(c.Namespace).Patch(ctx, "compute", types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// offerDongle makes the node of the lab offer so many of a device that has no plugin.
func offerDongle(n string) Action {
	return func(ctx context.Context, c Cluster) error {
		patch := fmt.Appendf(nil, `{"status":{"capacity":{"lab.local/dongle":%s},"allocatable":{"lab.local/dongle":%[1]s}}}`, n)
		_, err := c.CoreV1().Nodes().Patch(ctx, n2, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
		return err
	}
}

// lostDriver is the CSI driver of the fault's volume. No program is behind it.
const lostDriver = "csi.lab.local"

// attachable makes every node say that it can attach no volume of the driver, or takes that back.
func attachable(limited bool) Action {
	return func(ctx context.Context, c Cluster) error {
		list, err := c.StorageV1().CSINodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
				n, err := c.StorageV1().CSINodes().Get(ctx, list.Items[i].Name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				n.Spec.Drivers = slices.DeleteFunc(n.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == lostDriver })
				if limited {
					none := &storagev1.VolumeNodeResources{Count: new(int32)}
					n.Spec.Drivers = append(n.Spec.Drivers, storagev1.CSINodeDriver{Name: lostDriver, NodeID: n.Name, Allocatable: none})
				}
				_, err = c.StorageV1().CSINodes().Update(ctx, n, metav1.UpdateOptions{})
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// labelNode gives the nodes a label with the namespace as its value, or takes it off.
func labelNode(key string, set bool) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.eachNode(ctx, func(n *corev1.Node) {
			if delete(n.Labels, key); set {
				metav1.SetMetaDataLabel(&n.ObjectMeta, key, c.Namespace)
			}
		})
	}
}

// createGlobal creates the objects of a manifest that belong to no namespace, and deleteGlobal deletes them. Their names
// hold that of the fault's namespace.
func createGlobal(manifest string) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.eachObject(manifest, func(o *unstructured.Unstructured) error {
			resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
			_, err := c.Objects.Resource(resource).Create(ctx, o, metav1.CreateOptions{})
			return err
		})
	}
}

func deleteGlobal(manifest string) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.eachObject(manifest, func(o *unstructured.Unstructured) error {
			resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
			return ignoreMissing(c.Objects.Resource(resource).Delete(ctx, o.GetName(), metav1.DeleteOptions{}))
		})
	}
}

// What belongs to no namespace. Each is bound to the fault's own.
const (
	gateWebhook = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NAMESPACE}
webhooks:
- name: check.lab.local
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 2
  failurePolicy: Fail
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  objectSelector: {matchExpressions: [{key: app, operator: NotIn, values: [gate]}]}
  clientConfig: {service: {namespace: NAMESPACE, name: gate, path: /pods}}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
`
	labelPolicy = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAMESPACE}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
  validations:
  - expression: "has(object.metadata.labels) && 'team' in object.metadata.labels"
    message: every pod must carry the label team
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAMESPACE}
spec: {policyName: NAMESPACE, validationActions: [Deny]}
`
	pinnedVolume = `apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-NAMESPACE}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
`
	ofDriver = `  csi: {driver: csi.lab.local, volumeHandle: NAMESPACE}
`
	ofLostNode = `  local: {path: /var/lib/data}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n9]}]
`
)
