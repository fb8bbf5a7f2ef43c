// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

func TestRunsAreTold(t *testing.T) {
	play(t, func(b *bench) {
		b.expect()
		id := b.fake.run("web", "app", 0)
		began := time.Now().UTC()
		b.wait(time.Second)
		b.expect("pod/web[app]#0 running 0 ")
		b.fake.exit(id, 137, "OOMKilled")
		ended := time.Now().UTC()
		b.wait(time.Second)
		want := record.Run{
			Of: evidence.RefTo("Pod", "shop", "web").InContainer("app").InAttempt(0), ID: id, Sandbox: "box-web", State: record.Exited, Image: "app:v1",
			Digest: "app@sha256:2", Runtime: "containerd 2.4.2", Created: began, Started: began, Finished: ended, ExitCode: 137, Reason: "OOMKilled",
			Command: []string{"/app", "…"}, Settings: []string{record.NoSettings}, Mounts: []string{"/var/lib/x:/data:ro"},
		}
		if diff := cmp.Diff(want, *b.list[len(b.list)-1].Run); diff != "" {
			t.Errorf("run (-want +got):\n%s", diff)
		}
		b.expect("pod/web[app]#0 exited 137 OOMKilled")
		n := b.calls("ContainerStatus")
		b.wait(10 * time.Second)
		b.expect()
		if got := b.calls("ContainerStatus"); got != n || b.calls("verbose") != 1 {
			t.Errorf("asked for a status %d times more when nothing changed, and %d times for all", got-n, b.calls("verbose"))
		}
		run, uid, ok := b.reader.Index().ByID(id)
		if diff := cmp.Diff(want, run); diff != "" || uid != "uid-web" || !ok {
			t.Errorf("by id %q %v (-want +got):\n%s", uid, ok, diff)
		}
		if diff := cmp.Diff(b.reader.Snapshot(), b.reader.Index().ByPod("uid-web")); diff != "" || len(b.reader.Snapshot()) != 1 {
			t.Errorf("snapshot and pod differ:\n%s", diff)
		}
		b.fake.remove(id)
		b.wait(time.Second)
		b.expect()
		if _, _, ok := b.reader.Index().ByID(id); !ok || len(b.reader.Snapshot()) != 0 {
			t.Error("a removed run is to be known and not there")
		}
	})
}

func TestRunsThatWereMissed(t *testing.T) {
	play(t, func(b *bench) {
		first := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.fake.exit(first, 1, "Error")
		b.fake.exit(b.fake.run("web", "app", 1), 1, "Error")
		b.fake.remove(first)
		b.fake.run("web", "app", 2)
		b.fake.run("web", "sidecar", 4)
		b.fake.run("web", "init", 1)
		b.wait(time.Second)
		b.expect("pod/web[app]#0 running 0 ",
			"pod/web[app]#0 unknown 0 ",
			"pod/web[app]#1 exited 1 Error",
			"pod/web[app]#2 running 0 ",
			"gap pod/web[init]#0 1 runs: they began and ended between two looks",
			"pod/web[init]#1 running 0 ",
			"gap pod/web[sidecar]#3 4 runs: attempts 0 to 3: they began and ended between two looks",
			"pod/web[sidecar]#4 running 0 ")
	})
}

func TestNumbersThatBeginAnew(t *testing.T) {
	play(t, func(b *bench) {
		b.fake.exit(b.fake.run("static", "app", 5), 1, "Error")
		b.wait(time.Second)
		b.expect("gap pod/static[app]#4 5 runs: attempts 0 to 4: they began and ended between two looks", "pod/static[app]#5 exited 1 Error")
		b.fake.set(func() { clear(b.fake.containers) })
		b.wait(calmTimes * time.Second)
		b.expect()
		b.fake.run("static", "app", 1)
		b.wait(calmTimes * time.Second)
		b.expect("gap pod/static[app]#0 1 runs: they began and ended between two looks", "pod/static[app]#1 running 0 ")
		b.fake.run("static", "app", 1)
		b.wait(time.Second)
		b.expect("pod/static[app]#1 running 0 ")
	})
}

// TestCalm has events that say nothing: they are believed until a list finds what none told of.
func TestCalm(t *testing.T) {
	play(t, func(b *bench) {
		during := func(wait time.Duration, least, most int) {
			t.Helper()
			before := b.calls("ListContainers")
			b.wait(wait)
			if n := b.calls("ListContainers") - before; n < least || n > most {
				t.Errorf("%d lists in %s, expected %d to %d", n, wait, least, most)
			}
		}
		b.wait(wrongFor + 10*time.Second)
		during(time.Minute, 11, 13)
		id := b.fake.run("web", "app", 0)
		b.fake.emit(id)
		b.wait(time.Second / 2)
		b.expect("pod/web[app]#0 running 0 ")
		during(3*time.Second, 2, 4) // what else has happened
		b.wait(10 * time.Second)
		during(time.Minute, 11, 13)
		b.fake.exit(id, 1, "Error") // and nobody tells
		b.wait(calmTimes * time.Second)
		b.expect("pod/web[app]#0 exited 1 Error")
		during(time.Minute, 59, 61)
		b.wait(wrongFor)
		during(time.Minute, 11, 13)
	})
}

// TestCalmAndEnds: where nothing happens, the reason of an end that was told at once comes as soon as where something does, though no
// other event comes.
func TestCalmAndEnds(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.wait(time.Minute)
		b.told(&b.from)
		for n := b.calls("ListContainers"); n == b.calls("ListContainers"); { // the next list is far
			b.wait(10 * time.Millisecond)
		}
		b.wait(time.Second / 2)
		b.fake.exit(id, 1, "Error")
		b.fake.dies(id, 1)
		b.wait(1100 * time.Millisecond)
		b.expect("pod/web[app]#0 exited 1 ", "pod/web[app]#0 exited 1 Error")
	})
}

// TestRestart kills the reader at every entry of a story and starts another, which must tell each thing once.
func TestRestart(t *testing.T) {
	play(t, func(b *bench) {
		kept := b.fake.run("web", "app", 2)
		b.fake.sandbox("web", "box-web", 0, true)
		b.wait(time.Second)
		b.expect("gap pod/web[app]#1 2 runs: attempts 0 to 1: they began and ended between two looks", "pod/web[app]#2 running 0 ")
		b.end()
		b.begin(Options{})
		b.wait(time.Second)
		b.expect("gap node/n1 0 runs: the agent did not run: containers of pods that were removed meanwhile are not known, those of other pods are counted apart")
		b.end()
		b.fake.exit(kept, 1, "Error")
		b.fake.run("web", "app", 6)
		b.fake.run("new", "app", 1)
		b.fake.sandbox("web", "box-web", 0, false)
		b.fake.sandbox("web", "box-2", 1, true)
		b.begin(Options{})
		want := []string{
			"gap pod/new[app]#0 1 runs: the agent did not run", "pod/new[app]#1 running 0 ",
			"pod/web[app]#2 exited 1 Error", "gap pod/web[app]#5 3 runs: attempts 3 to 5: the agent did not run", "pod/web[app]#6 running 0 ",
			"sandbox-ended pod/web 0.0", "sandbox-created pod/web 1.0",
		}
		away := "gap node/n1 0 runs: the agent did not run: containers of pods that were removed meanwhile are not known, those of other pods are counted apart"
		b.expect(append(want, away)...)
		whole := b.list
		b.end()
		for n := len(whole) - 8; n < len(whole); n++ {
			b.list, b.from = slices.Clone(whole[:n]), n
			b.begin(Options{})
			b.wait(time.Second)
			b.expect(append(slices.Clone(want[min(n-len(whole)+8, 7):]), away)...)
			b.end()
		}
		b.begin(Options{})
	})
}

// TestKnown restores a reader from another's account alone.
func TestKnown(t *testing.T) {
	play(t, func(b *bench) {
		b.fake.exit(b.fake.run("web", "app", 3), 1, "Error")
		gone := b.fake.run("web", "app", 4)
		b.wait(time.Second)
		b.fake.exit(gone, 1, "Error")
		b.wait(time.Second)
		b.fake.remove(gone)
		b.fake.run("db", "db", 0)
		b.wait(time.Second)
		b.list, b.from = b.reader.Known(), 0
		b.told(&b.from)
		b.end()
		b.fake.run("web", "app", 6)
		b.begin(Options{})
		b.expect("gap pod/web[app]#5 1 runs: the agent did not run", "pod/web[app]#6 running 0 ",
			"gap node/n1 0 runs: the agent did not run: containers of pods that were removed meanwhile are not known, those of other pods are counted apart")
	})
}

// TestKnownBeforeTheRecord restores a reader from another's account and then from a record that begins before it.
func TestKnownBeforeTheRecord(t *testing.T) {
	play(t, func(b *bench) {
		ids := []string{b.fake.run("web", "app", 2)}
		b.wait(time.Second)
		for n := 3; n < 7; n++ {
			b.fake.exit(ids[len(ids)-1], 1, "Error")
			b.fake.remove(ids[:len(ids)-1]...)
			ids = append(ids, b.fake.run("web", "app", n))
			b.wait(time.Second)
		}
		known := b.reader.Known()
		b.told(&b.from)
		b.end()
		b.restore = slices.Concat(known, b.list)
		b.fake.exit(ids[len(ids)-1], 1, "Error")
		b.fake.run("web", "app", 7)
		b.begin(Options{})
		b.expect("pod/web[app]#6 exited 1 Error", "pod/web[app]#7 running 0 ",
			"gap node/n1 0 runs: the agent did not run: containers of pods that were removed meanwhile are not known, those of other pods are counted apart")
	})
}

// TestUnreadableLists: a runtime that answers and cannot be read is not taken for one that has nothing.
func TestUnreadableLists(t *testing.T) {
	play(t, func(b *bench) {
		b.fake.set(func() { b.fake.broken = map[string]bool{"ListContainers": true} })
		b.fake.run("web", "app", 0)
		b.wait(3 * time.Second)
		b.expect()
		b.wait(time.Minute)
		b.expect("gap node/n1 0 : the runtime's lists cannot be read: ListContainers: its database is damaged")
		b.fake.set(func() { b.fake.broken = nil })
		b.wait(2 * time.Second)
		b.expect("pod/web[app]#0 running 0 ", "gap node/n1 0 : the runtime's lists could not be read")
	})
}

func TestFirstLook(t *testing.T) {
	play(t, func(b *bench) {
		b.end()
		b.fake.run("web", "app", 7)
		b.begin(Options{})
		b.expect("gap pod/web[app]#6 7 runs: attempts 0 to 6: they ended before the agent first looked", "pod/web[app]#7 running 0 ")
	})
}

func TestEvents(t *testing.T) {
	play(t, func(b *bench) {
		b.wait(500 * time.Millisecond)
		id := b.fake.run("web", "app", 0)
		b.fake.emit(id)
		b.wait(time.Millisecond)
		b.expect("pod/web[app]#0 running 0 ")
		n := b.calls("ContainerStatus")
		b.fake.exit(id, 2, "Error")
		b.fake.emit(id)
		b.wait(time.Millisecond)
		b.expect("pod/web[app]#0 exited 2 Error")
		if got := b.calls("ContainerStatus"); got != n {
			t.Errorf("asked %d times for what the event had brought", got-n)
		}

		id = b.fake.run("web", "app", 1)
		b.wait(time.Second)
		b.fake.exit(id, 3, "Error")
		b.fake.emit(id)
		b.fake.remove(id) // before anybody can ask
		b.wait(time.Millisecond)
		b.expect("pod/web[app]#1 running 0 ", "pod/web[app]#1 exited 3 Error")
		if c := b.reader.Counts(); c.Events != 3 || c.Lists < 3 {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestEventsAreNotAskedFor(t *testing.T) {
	for name, prepare := range map[string]func(*fake, *Options){
		"given to one reader only": func(f *fake, _ *Options) { f.version = "1.7.27" },
		"switched off":             func(_ *fake, o *Options) { o.NoEvents = true },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(b *bench) {
				b.end()
				o := Options{}
				prepare(b.fake, &o)
				n := b.calls("GetContainerEvents")
				b.begin(o)
				b.wait(time.Minute)
				if got := b.calls("GetContainerEvents"); got != n {
					t.Errorf("asked %d times for events", got-n)
				}
				b.fake.run("web", "app", 0)
				b.wait(time.Second)
				b.expect("pod/web[app]#0 running 0 ")
			})
		})
	}
}

func TestNoEvents(t *testing.T) {
	play(t, func(b *bench) {
		b.end()
		b.fake.deaf = true
		n := b.calls("GetContainerEvents")
		b.begin(Options{})
		b.wait(time.Minute)
		if got := b.calls("GetContainerEvents") - n; got != 1 {
			t.Errorf("asked %d times in a minute for events that the runtime does not have", got)
		}
	})
}

func TestHungRuntime(t *testing.T) {
	play(t, func(b *bench) {
		b.wait(time.Second)
		b.fake.set(func() { b.fake.hang["ListContainers"] = true })
		b.wait(30 * time.Second)
		b.expect("runtime-hung node/n1 10.0")
		if e := b.list[0].Fact; e.Where != "cri/ListContainers" || e.Source != evidence.FromRuntime || !strings.HasPrefix(e.Text, "containerd 2.4.2 did not answer") {
			t.Errorf("told %+v", e)
		}
		b.fake.set(func() { b.fake.hang["ListContainers"] = false })
		b.wait(11 * time.Second)
		if got := b.told(&b.from); len(got) != 1 || !strings.HasPrefix(got[0], "runtime-answers node/n1 ") {
			t.Errorf("told %q", got)
		}
		hung, answers := b.list[0].Fact, b.list[1].Fact
		if answers.Value != answers.At.Sub(hung.At).Seconds() || answers.Value < 20 {
			t.Errorf("hung from %s to %s, which is told as %.1f s", hung.At, answers.At, answers.Value)
		}
	})
}

// TestHungContainer has one container of which the runtime does not answer: the others go on, and nothing is told of its pod
// that would make the account false.
func TestHungContainer(t *testing.T) {
	play(t, func(b *bench) {
		bad := b.fake.run("bad", "app", 0)
		b.fake.set(func() { b.fake.hang["ContainerStatus/"+bad] = true })
		b.fake.run("web", "app", 0)
		b.wait(12 * time.Second)
		b.expect("runtime-hung node/n1 10.0", "pod/web[app]#0 running 0 ")
		b.fake.run("bad", "app", 1)
		b.fake.run("web", "app", 1)
		b.wait(2 * time.Second)
		b.expect("pod/web[app]#1 running 0 ")
		b.fake.set(func() { clear(b.fake.hang) })
		b.wait(time.Minute)
		if got := b.told(&b.from); len(got) != 3 || got[1] != "pod/bad[app]#0 running 0 " || got[2] != "pod/bad[app]#1 running 0 " {
			t.Errorf("told %q", got)
		}
	})
}

// TestHungContainerThatIsGone is over when the container is: nobody is stuck on it any more.
func TestHungContainerThatIsGone(t *testing.T) {
	play(t, func(b *bench) {
		bad := b.fake.run("bad", "app", 0)
		b.fake.set(func() { b.fake.hang["ContainerStatus/"+bad] = true })
		b.wait(12 * time.Second)
		b.expect("runtime-hung node/n1 10.0")
		b.fake.remove(bad)
		b.wait(2 * time.Minute)
		if got := b.told(&b.from); !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "runtime-answers node/n1 ") }) {
			t.Errorf("told %q", got)
		}
	})
}

func TestSlowRuntime(t *testing.T) {
	play(t, func(b *bench) {
		b.wait(time.Second)
		b.fake.set(func() { b.fake.slow = 3 * time.Second })
		b.wait(50 * time.Second)
		b.expect("runtime-slow node/n1 3.0")
		b.fake.set(func() { b.fake.slow = 0 })
		b.wait(time.Second)
		for _, l := range b.reader.Latencies() {
			slow := l.Buckets[len(Bounds)-1] - l.Buckets[slices.Index(Bounds, 2*time.Second)]
			if l.Call == "ListContainers" && (slow < 4 || l.Count < slow || l.Errors != 0 || l.Sum < 12*time.Second) {
				t.Errorf("measured %+v", l)
			}
		}
	})
}

func TestRuntimeRestart(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.fake.stop()
		b.wait(2 * time.Minute)
		b.expect("pod/web[app]#0 running 0 ", "runtime-gone node/n1 0.0")
		b.fake.set(func() { b.fake.version = "v2.5.0" })
		b.fake.exit(id, 255, "Unknown")
		b.fake.start()
		b.wait(3 * time.Second)
		got := b.told(&b.from)
		if len(got) != 2 || !strings.HasPrefix(got[0], "runtime-back node/n1 12") || got[1] != "pod/web[app]#0 exited 255 Unknown" {
			t.Fatalf("told %q", got)
		}
		if back := b.list[2].Fact; !strings.Contains(back.Text, "containerd 2.5.0") || !back.At.After(b.list[1].Fact.At) {
			t.Errorf("told %+v", back)
		}
		b.fake.stop()
		b.fake.start() // before anybody looks
		b.wait(3 * time.Second)
		got = b.told(&b.from)
		if len(got) != 2 || got[0] != "runtime-gone node/n1 0.0" || !strings.HasPrefix(got[1], "runtime-back node/n1 ") {
			t.Errorf("told %q", got)
		}
		b.fake.emit(id)
		b.wait(500 * time.Millisecond)
		if b.reader.Counts().Events != 1 {
			t.Error("events are not followed over a restart of the runtime")
		}
	})
}

// TestAwayWhileDown starts a reader whose record says that the runtime was gone and hung.
func TestAwayWhileDown(t *testing.T) {
	play(t, func(b *bench) {
		b.fake.stop()
		b.wait(3 * time.Second)
		b.expect("runtime-gone node/n1 0.0")
		b.end()
		b.begin(Options{})
		b.wait(3 * time.Second)
		b.expect()
		b.fake.start()
		b.wait(3 * time.Second)
		if got := b.told(&b.from); len(got) != 2 || !strings.HasPrefix(got[0], "runtime-back node/n1 ") {
			t.Errorf("told %q", got)
		}
	})
}

func TestSandboxes(t *testing.T) {
	play(t, func(b *bench) {
		b.fake.sandbox("web", "box-web", 0, true)
		b.fake.sandbox("job", "box-job", 0, true)
		b.fake.sandbox("db", "box-db", 0, true)
		job := b.fake.run("job", "app", 0)
		b.fake.run("db", "app", 0)
		b.wait(time.Second)
		b.told(&b.from)
		b.fake.exit(job, 0, "Completed")
		b.fake.sandbox("job", "box-job", 0, false) // as the kubelet does when all is done
		b.fake.sandbox("db", "box-db", 0, false)   // and its container goes on
		b.fake.sandbox("web", "box-web", 0, false)
		b.wait(5 * time.Second)
		b.expect("pod/job[app]#0 exited 0 Completed", "sandbox-ended pod/db 0.0")
		b.fake.sandbox("web", "box-web2", 1, true)
		b.wait(5 * time.Second)
		b.expect("sandbox-ended pod/web 0.0", "sandbox-created pod/web 1.0")
		ended, created := b.list[len(b.list)-2].Fact, b.list[len(b.list)-1].Fact
		if ended.At.After(created.At.Add(-4*time.Second)) || ended.Where != "cri/PodSandbox/box-web" {
			t.Errorf("ended %+v, created %+v", ended, created)
		}
	})
}

func TestStrangers(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.fake.set(func() { b.fake.containers[id].Labels = nil })
		b.wait(3 * time.Second)
		b.expect()
		if _, _, ok := b.reader.Index().ByID(id); ok || len(b.reader.Snapshot()) != 0 {
			t.Error("a container of no pod is known")
		}
	})
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "file"), filepath.Join(dir, "s.sock")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, want := range map[string]string{filepath.Join(dir, "none", "s.sock"): "mount its folder", filepath.Join(dir, "down.sock"): "", file: "is no socket", "unix://" + socket: ""} {
		if _, err := find(name); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	usual := sockets
	defer func() { sockets = usual }()
	sockets = []string{filepath.Join(dir, "down.sock")}
	if found, err := find(""); err == nil {
		t.Errorf("without a socket the runtime is at %s", found)
	}
	sockets = append(sockets, socket)
	if found, err := find(""); err != nil || found != socket {
		t.Errorf("the runtime is at %q, %v", found, err)
	}
	for _, o := range []Options{{Node: "n1"}, {Tell: func(record.Entry) {}}, {Node: "n1", Tell: func(record.Entry) {}, Every: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
