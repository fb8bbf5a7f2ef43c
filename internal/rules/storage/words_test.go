// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"strings"
	"testing"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNames(t *testing.T) {
	for line, want := range map[string]bool{
		"touch: /data/journal: Permission denied":   true,
		`open "/data": permission denied`:           true,
		"/data":                                     true,
		"mkdir /database: permission denied":        false,
		"mkdir /data-2/x: permission denied":        false,
		"mkdir /data.old: permission denied":        false,
		"mkdir /srv/data/x: permission denied":      false,
		"mkdir /srv/data then /data/x: file exists": true,
	} {
		if got := names(line, "/data"); got != want {
			t.Errorf("%q: %t, want %t", line, got, want)
		}
	}
}

func TestReason(t *testing.T) {
	for message, want := range map[string]string{
		`failed to provision volume with StorageClass "fast": no zone`:                             "no zone",
		`failed to provision volume with StorageClass "fast": rpc error: code = X desc = a: b.`:    "a: b",
		"rpc error: code = Unknown desc = failed: rpc error: code = NotFound desc = no\n  volume ": "no volume",
		"plain": "plain",
	} {
		if got := reason(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
	if got := reason(strings.Repeat("long ", 99)); len(got) > 210 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestProvisionerIn(t *testing.T) {
	for message, want := range map[string]string{
		"by the external provisioner 'a.b' or by hand": "a.b", `by external provisioner "a.b" or by hand`: "a.b", "nobody's": "(unknown)", "": "(unknown)",
	} {
		if got := provisionerIn(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func TestClassUnknown(t *testing.T) {
	for message, want := range map[string]bool{
		`storageclass.storage.k8s.io "fast" not found`: true, `storageclass "fast" not found `: true,
		"disk type not found": false, `storageclass "fast" has no zone`: false,
	} {
		if got := classUnknown(message); got != want {
			t.Errorf("%q: %t, want %t", message, got, want)
		}
	}
}

func TestSortOf(t *testing.T) {
	for message, want := range map[string]sort{
		`MountVolume.SetUp failed for volume "c" : configmap "c" not found`:                     elsewhere,
		`MountVolume.SetUp failed for volume "c" : secrets "c" not found`:                       elsewhere,
		`MountVolume.SetUp failed for volume "c" : object "shop"/"c" not registered`:            elsewhere,
		`AttachVolume.Attach failed for volume "p" : CSINode n1 does not contain driver d`:      driverless,
		`AttachVolume.Attach failed for volume "p" : volume not found`:                          unattached,
		`MapVolume.SetUpDevice failed for volume "p" : rpc error`:                               unmapped,
		`MountVolume.MountDevice failed for volume "p" : unknown filesystem type 'zfs'`:         broken,
		`MountVolume.SetUp failed for volume "p" : mount failed: -t nfs a:/b Output: timed out`: unserved,
		`Unable to attach or mount volumes: unmounted volumes=[a]: context deadline exceeded`:   overdue,
		`MountVolume.SetUp failed for volume "p" : rpc error: code = Internal desc = no`:        other,
	} {
		if got := sortOf(message); got != want {
			t.Errorf("%q: %d, want %d", message, got, want)
		}
	}
}

func TestAgeAndDefault(t *testing.T) {
	for d, want := range map[time.Duration]string{90 * time.Second: "1m30s", 47 * time.Hour: "47h0m0s", 72 * time.Hour: "3 days"} {
		if got := age(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	for name, want := range map[string]bool{
		"storageclass.kubernetes.io/is-default-class": true, "storageclass.beta.kubernetes.io/is-default-class": true, "example.com/default": false,
	} {
		class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{name: "true"}}}
		if got := isDefault(class); got != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}
