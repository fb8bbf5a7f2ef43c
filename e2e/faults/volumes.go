// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// storage are claims that get no volume, and volumes that cannot be had or used.
func storage() []Fault {
	pending := func(name, about, reason, said string, want string, prepare, undo Action) Fault {
		return Fault{Name: name, About: about, Ask: "pod/" + name, Want: []string{want}, So: event(reason, said), Prepare: prepare, Undo: undo}
	}
	claim := func(f Fault) Fault { f.Ask = "pvc/" + f.Name; return f }
	faults := []Fault{
		pending("claim-missing", "the pod's claim does not exist", "FailedScheduling", "not found", "STO001", nil, nil),
		pending("class-missing", "the claim names a StorageClass that does not exist", "ProvisioningFailed", "not found", "STO002", nil, nil),
		claim(pending("class-missing-claim", "the same without a pod", "ProvisioningFailed", "not found", "STO002", nil, nil)),
		pending("class-none", "the claim names no StorageClass and there is no default one", "FailedBinding", "no storage class is set", "STO003", nil, nil),
		pending("volume-none-fits", "one volume is too small for the claim, another offers another access mode", "FailedScheduling", "unbound", "STO004",
			inTurn(volume("volume-none-fits-a", "", small, corev1.ReadWriteOnce), volume("volume-none-fits-b", "", "10Gi", corev1.ReadOnlyMany)), noVolumes),
		claim(pending("volume-released", "the volume still belongs to a claim that was deleted", "ProvisioningFailed", "not found", "STO004",
			volume("volume-released", "gone", "1Gi", corev1.ReadWriteOnce), noVolumes)),
		claim(pending("volume-mismatch", "the claim names a volume that is too small", "VolumeMismatch", "too small", "STO004",
			volume("volume-mismatch", "", small, corev1.ReadWriteOnce), noVolumes)),
		claim(pending("provisioning-failed", "the class's provisioner is one of Kubernetes that is gone", "ProvisioningFailed", "no volume plugin", "STO005",
			class("old-disk", "kubernetes.io/glusterfs", false), noClass("old-disk"))),
		pending("provisioner-silent", "nobody answers to the name of the class's provisioner", "ExternalProvisioning", "", "STO006",
			class("disk", "disk.csi.example.com", false), noClass("disk")),
	}
	for i := range faults {
		faults[i].Least = "likely"
	}
	faults[len(faults)-1].So = all(faults[len(faults)-1].So, longAgoClaim(32*time.Second))
	return append(append(faults, bound()...), unmounted()...)
}

// small is less than any claim here asks for.
const small = "512Mi"

// bound are claims that have a volume, and trouble with it.
func bound() []Fault {
	return []Fault{{
		Name: "claim-waits", About: "a claim waits for its first consumer, as its class has it",
		Prepare: class("late-disk", "disk.csi.example.com", true), Undo: noClass("late-disk"),
		So: event("WaitForFirstConsumer", ""), Ask: "pvc/claim-waits",
	}, {
		Name: "claim-lost", About: "the claim's volume is deleted", Prepare: volume("claim-lost", "claim-lost", "1Gi", corev1.ReadWriteOnce),
		Ready: claims(corev1.ClaimBound), Act: noVolumes, So: claims(corev1.ClaimLost), Ask: "pvc/claim-lost", Want: []string{"STO007"},
	}, {
		Name: "claim-deleted", About: "the claim is deleted while a pod uses it", Prepare: volume("claim-deleted", "claim-deleted", "1Gi", corev1.ReadWriteOnce),
		Ready: ready(), Act: deleteClaim("claim-deleted"), So: ready(), Undo: noVolumes, Ask: "pvc/claim-deleted", Want: []string{"STO008"},
	}, {
		Name: "volume-out-of-reach", About: "the volume is on a node that is gone", Prepare: volume("volume-out-of-reach", "orders-data", "1Gi", corev1.ReadWriteOnce, onNode("n7")),
		So: event("FailedScheduling", "PersistentVolume's node affinity"), Undo: noVolumes, Ask: "pod/volume-out-of-reach", Want: []string{"STO009"},
	}, {
		Name: "multi-attach", About: "the volume is attached to the node of another pod",
		Prepare: volume("multi-attach", "orders-data", "1Gi", corev1.ReadWriteOnce, byDriver),
		Ready:   attachment, Act: inTurn(attached(storagev1.VolumeAttachmentStatus{Attached: true}), removeGate("multi-attach")),
		So: event("FailedAttachVolume", "already used by pod"), Undo: inTurn(noAttachments, noVolumes), Ask: "pod/multi-attach", Want: []string{"STO010"}, NeedsNodes: true,
	}, {
		Name: "driver-missing", About: "the node has no CSI driver of that name",
		Prepare: inTurn(driver, volume("driver-missing", "orders-data", "1Gi", corev1.ReadWriteOnce, byDriverWithoutAttach)),
		So:      event("FailedMount", "registered CSI drivers"), Undo: inTurn(noDriver, noVolumes), Ask: "pod/driver-missing", Want: []string{"STO011"}, Least: "likely",
	}, {
		Name: "attach-failed", About: "the storage system, whose part is played, does not attach the volume",
		Prepare: volume("attach-failed", "orders-data", "1Gi", corev1.ReadWriteOnce, byDriver), Ready: attachment,
		Act: attached(storagev1.VolumeAttachmentStatus{AttachError: &storagev1.VolumeError{
			Time: metav1.Now(), Message: "rpc error: code = ResourceExhausted desc = node has 25 of at most 25 disks",
		}}),
		So: event("FailedAttachVolume", "ResourceExhausted"), Undo: inTurn(noAttachments, noVolumes), Ask: "pod/attach-failed", Want: []string{"STO012"}, Least: "likely",
	}}
}

// unmounted are volumes that the kubelet cannot mount, and processes that cannot use them.
func unmounted() []Fault {
	unmounted := func(name, about, reason, said, want string, shape ...func(*corev1.PersistentVolume)) Fault {
		f := Fault{Name: name, About: about, Ask: "pod/" + name, Want: []string{want}, Least: "likely", So: event(reason, said)}
		if len(shape) > 0 {
			f.Prepare, f.Undo = volume(name, "orders-data", "1Gi", corev1.ReadWriteOnce, shape...), noVolumes
		}
		return f
	}
	faults := []Fault{
		unmounted("nfs-no-client", "the node has no program to mount NFS", "FailedMount", "nfs", "STO013"),
		unmounted("hostpath-missing", "the node has no such directory", "FailedMount", "is not a directory", "STO015"),
		unmounted("local-path-missing", "the node does not have the path of the local volume", "FailedMount", "does not exist", "STO015", local),
		unmounted("block-as-files", "the pod asks for a block volume as a file system", "FailedMount", "volumeMode Block", "STO016", local, block),
		unmounted("block-unmapped", "there is no device at the path of the local volume", "FailedMapVolume", "", "STO016", local, block),
		unmounted("mount-plugin-missing", "the kubelet has no plugin for the volume", "FailedMount", "plugin", "STO017"),
	}
	died := func(name, about, want string) Fault {
		f := unmounted(name, about, "BackOff", "", want, onDisk)
		f.So, f.Least = looping(1, "Error"), "possible"
		return f
	}
	denied := died("volume-denied", "the process runs as a user who may not write to the volume", "STO023")
	denied.Ask = "deploy/volume-denied"
	readOnly := died("volume-read-only", "the process writes to a volume that is mounted read-only", "STO022")
	readOnly.Ask = "deploy/volume-read-only"
	full := died("volume-full", "the volume is full", "STO021")
	turned := died("volume-turned-read-only", "the file system of the volume becomes read-only", "STO022")
	for _, f := range []*Fault{&full, &turned} {
		disk := "/var/lib/" + f.Name
		f.Prepare = inTurn(lab("exec", n2, "--", "sh", "-c", "mkdir -p "+disk+" && mount -t tmpfs -o size=1m,mode=777 tmpfs "+disk), f.Prepare)
		f.Undo = inTurn(noVolumes, lab("exec", n2, "--", "umount", "-l", disk))
		f.NeedsNodes = true
	}
	turned.Ready, turned.Act = pod(isRunning), lab("exec", n2, "--", "mount", "-o", "remount,ro", "/var/lib/"+turned.Name)
	return append(faults, denied, readOnly, full, turned)
}

// onDisk puts the volume into a directory of the node n2, named after the fault.
func onDisk(pv *corev1.PersistentVolume) {
	kind := corev1.HostPathDirectoryOrCreate
	pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/lib/" + pv.Name, Type: &kind}}
	onNode(n2)(pv)
}

func onNode(name string) func(*corev1.PersistentVolume) {
	return func(pv *corev1.PersistentVolume) {
		term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{name},
		}}}
		pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}}
	}
}

// local makes of it a local volume at a path that no node has.
func local(pv *corev1.PersistentVolume) {
	pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/mnt/disks/orders"}}
	onNode(n2)(pv)
}

func block(pv *corev1.PersistentVolume) {
	mode := corev1.PersistentVolumeBlock
	pv.Spec.VolumeMode = &mode
}

// Drivers that no node has: one that wants its volumes attached, and one that does not.
const (
	attaching = "disk.csi.example.com"
	direct    = "share.csi.example.com"
)

func byDriver(pv *corev1.PersistentVolume) { driven(pv, attaching) }

func byDriverWithoutAttach(pv *corev1.PersistentVolume) { driven(pv, direct) }

func driven(pv *corev1.PersistentVolume, name string) {
	pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: name, VolumeHandle: pv.Name}}
}

func driver(ctx context.Context, c Cluster) error {
	no := false
	d := &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: direct}, Spec: storagev1.CSIDriverSpec{AttachRequired: &no}}
	_, err := c.StorageV1().CSIDrivers().Create(ctx, d, metav1.CreateOptions{})
	return ignoreThere(err)
}

func noDriver(ctx context.Context, c Cluster) error {
	return ignoreMissing(c.StorageV1().CSIDrivers().Delete(ctx, direct, metav1.DeleteOptions{}))
}

// volume makes a PersistentVolume of class archive for one claim of the namespace; for claim "" one that any may have, of a
// class that only this fault uses. It is a directory of whichever node, unless shaped otherwise.
func volume(name, claim, size string, mode corev1.PersistentVolumeAccessMode, shape ...func(*corev1.PersistentVolume)) Action {
	return func(ctx context.Context, c Cluster) error {
		kind := corev1.HostPathDirectoryOrCreate
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{made: c.Namespace}}}
		pv.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
		pv.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{mode}
		pv.Spec.StorageClassName, pv.Spec.PersistentVolumeReclaimPolicy = "archive", corev1.PersistentVolumeReclaimRetain
		pv.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/var/lib/" + name, Type: &kind}
		switch claim {
		case "":
			pv.Spec.StorageClassName = "archive-small"
		case "gone":
			pv.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.Namespace, Name: name, UID: types.UID("0b1f7a52-6f0e-4c1d-9a53-3c6c7f2f9d10")}
		default:
			pv.Spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.Namespace, Name: claim}
		}
		for _, change := range shape {
			change(pv)
		}
		_, err := c.CoreV1().PersistentVolumes().Create(ctx, pv, metav1.CreateOptions{})
		return ignoreThere(err)
	}
}

// noVolumes deletes the volumes that were made for the namespace, though claims are bound to them.
func noVolumes(ctx context.Context, c Cluster) error {
	list, err := c.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{LabelSelector: made + "=" + c.Namespace})
	if err != nil {
		return err
	}
	var errs []error
	for i := range list.Items {
		name := list.Items[i].Name
		errs = append(errs, ignoreMissing(c.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{})))
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		_, err := c.CoreV1().PersistentVolumes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		errs = append(errs, ignoreMissing(err))
	}
	return errors.Join(errs...)
}

// class makes a StorageClass, which binds at once or when a pod has been scheduled.
func class(name, provisioner string, late bool) Action {
	return func(ctx context.Context, c Cluster) error {
		binding := storagev1.VolumeBindingImmediate
		if late {
			binding = storagev1.VolumeBindingWaitForFirstConsumer
		}
		sc := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner, VolumeBindingMode: &binding}
		_, err := c.StorageV1().StorageClasses().Create(ctx, sc, metav1.CreateOptions{})
		return ignoreThere(err)
	}
}

func noClass(name string) Action {
	return func(ctx context.Context, c Cluster) error {
		return ignoreMissing(c.StorageV1().StorageClasses().Delete(ctx, name, metav1.DeleteOptions{}))
	}
}

func ignoreThere(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// claims holds when the namespace's only claim is in that phase.
func claims(phase corev1.PersistentVolumeClaimPhase) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().PersistentVolumeClaims(c.Namespace).List(ctx, metav1.ListOptions{})
		return err == nil && len(list.Items) == 1 && list.Items[0].Status.Phase == phase, err
	}
}

// longAgoClaim holds when the namespace's only claim is that old.
func longAgoClaim(age time.Duration) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().PersistentVolumeClaims(c.Namespace).List(ctx, metav1.ListOptions{})
		return err == nil && len(list.Items) == 1 && time.Since(list.Items[0].CreationTimestamp.Time) > age, err
	}
}

func deleteClaim(name string) Action {
	return func(ctx context.Context, c Cluster) error {
		return c.CoreV1().PersistentVolumeClaims(c.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	}
}

// removeGate lets the scheduler have the pod.
func removeGate(name string) Action {
	return func(ctx context.Context, c Cluster) error {
		_, err := c.CoreV1().Pods(c.Namespace).Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"schedulingGates":null}}`), metav1.PatchOptions{})
		return err
	}
}

// attachments returns the requests to attach volumes of the namespace's faults.
func attachments(ctx context.Context, c Cluster) ([]storagev1.VolumeAttachment, error) {
	volumes, err := c.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{LabelSelector: made + "=" + c.Namespace})
	if err != nil {
		return nil, err
	}
	list, err := c.StorageV1().VolumeAttachments().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var ours []storagev1.VolumeAttachment
	for i := range list.Items {
		for j := range volumes.Items {
			if name := list.Items[i].Spec.Source.PersistentVolumeName; name != nil && *name == volumes.Items[j].Name {
				ours = append(ours, list.Items[i])
			}
		}
	}
	return ours, nil
}

// attachment holds when the controller has asked for an attachment.
func attachment(ctx context.Context, c Cluster) (bool, error) {
	list, err := attachments(ctx, c)
	return len(list) > 0, err
}

// attached answers the request in the place of the driver's attacher.
func attached(status storagev1.VolumeAttachmentStatus) Action {
	return func(ctx context.Context, c Cluster) error {
		list, err := attachments(ctx, c)
		if err != nil {
			return err
		}
		for i := range list {
			list[i].Status = status
			if _, err := c.StorageV1().VolumeAttachments().UpdateStatus(ctx, &list[i], metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
}

func noAttachments(ctx context.Context, c Cluster) error {
	list, err := attachments(ctx, c)
	for i := range list {
		err = errors.Join(err, ignoreMissing(c.StorageV1().VolumeAttachments().Delete(ctx, list[i].Name, metav1.DeleteOptions{})))
	}
	return err
}
