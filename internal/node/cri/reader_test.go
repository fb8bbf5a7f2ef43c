// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"testing"
	"time"
)

func TestRunsAreTold(t *testing.T) {
	play(t, Options{}, func(b *bench) {
		b.expect()
		id := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.expect("pod/web[app]#0 running 0 ")
		b.fake.exit(id, 137, "OOMKilled")
		b.wait(time.Second)
		b.expect("pod/web[app]#0 exited 137 OOMKilled")
		n := b.calls("ContainerStatus")
		b.wait(10 * time.Second)
		b.expect()
		if got := b.calls("ContainerStatus"); got != n || b.calls("verbose") != 1 {
			t.Errorf("asked for a status %d times more when nothing changed, and %d times for all", got-n, b.calls("verbose"))
		}
	})
}
