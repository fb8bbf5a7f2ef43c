// SPDX-License-Identifier: Apache-2.0

package create

import (
	"strings"
	"testing"
)

func TestSaid(t *testing.T) {
	if got := said("OCI runtime create failed: " + strings.Repeat("a", 300)); len(got) != 244 || !strings.HasSuffix(got, "a …") {
		t.Errorf("said gives %d bytes: %q", len(got), got)
	}
}

func TestClassify(t *testing.T) {
	for text, want := range map[string]trouble{
		`container init was OOM-killed (memory limit too low?): exec: "a": x`:                                             memory,
		`exec: "/app": argument list too long`:                                                                            arguments,
		`ImageVolumeMountFailed: exec: "/sbin/mount.erofs": executable file not found in $PATH`:                           volume,
		`exec: "/srv/cgroup": stat /srv/cgroup: no such file or directory`:                                                command,
		`exec: "/srv/app": stat /srv/app: not a directory`:                                                                command,
		"container create failed: mount `/srv/shop` to `etc/shop.conf`: Is a directory":                                   mountType,
		"container create failed: mount `/srv/shop` to `etc/shop.conf`: Not a directory":                                  mountType,
		"container create failed: mount `/srv/shop` to `etc/shop.conf`: No such file or directory":                        mount,
		`error mounting "cgroup" to rootfs at "/sys/fs/cgroup": no space left on device`:                                  cgroup,
		`error during container init: error mounting "/a" to rootfs at "/b": not a directory`:                             mountType,
		`error during container init: mkdir /scripts/run: not a directory`:                                                identity,
		`can't copy bootstrap data to pipe: write init-p: broken pipe`:                                                    other,
		`Error response from daemon: OCI runtime create failed: exec user process caused: exec format error`:              command,
		`failed to create containerd container: error unpacking image: open /var/lib/containerd: no space left on device`: noRoom,
	} {
		if got := classify(text); got != want {
			t.Errorf("classify(%q) = %q, want %q", text, got, want)
		}
	}
}
