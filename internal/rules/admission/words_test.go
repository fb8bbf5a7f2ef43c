// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestOpen(t *testing.T) {
	c := corev1.Container{}
	c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	c.Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("1Gi")}
	for name, want := range map[string]int{
		"cpu": 0, "requests.cpu": 0, "limits.cpu": 1, "memory": 1, "requests.ephemeral-storage": 0, "limits.ephemeral-storage": 0,
	} {
		if got := open(c, []string{name}); len(got) != want {
			t.Errorf("open(%q) = %q, want %d", name, got, want)
		}
	}
}

func TestQuantity(t *testing.T) {
	for _, test := range []struct{ res, digits, want string }{
		{"cpu", "1500", "1500m"}, {"memory", "1073741824", "1024Mi"}, {"ephemeral-storage", "1572864", "1.5Mi"}, {"hugepages-2Mi", "4194304", "4Mi"},
		{"pods", "110", "110"}, {"nvidia.com/gpu", "8", "8"},
	} {
		if got := quantity(test.res, test.digits); got != test.want {
			t.Errorf("quantity(%q, %q) = %q, want %q", test.res, test.digits, got, test.want)
		}
	}
}

func TestInWords(t *testing.T) {
	for said, want := range map[string]string{
		"[cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000]":            "allows a container a limit of cpu of at most 2 times its request, and it is 4 times",
		"cpu max limit to request ratio per Container is 2, but no request is specified or request is 0": "allows a container a limit of cpu of at most 2 times its request, and one of them is not stated",
		"minimum memory usage per Container is 64Mi.  No request is specified":                           "allows a container at least 64Mi of memory, and no request is stated",
		"maximum cpu usage per Pod is 2, but limit is 3":                                                 "allows a pod at most 2 of cpu, and the limit is 3",
	} {
		if got := inWords(said); got != want {
			t.Errorf("inWords(%q) = %q, want %q", said, got, want)
		}
	}
}
