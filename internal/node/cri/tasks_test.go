// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// tasks are containerd's own events: a service whose messages are written by hand, as nothing here has them.
func (f *fake) tasks() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "containerd.services.events.v1.Events", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Subscribe", ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error { return f.subscribe(s) }}},
	}
}

func (f *fake) subscribe(s grpc.ServerStream) error {
	var asked emptypb.Empty
	if err := s.RecvMsg(&asked); err != nil {
		return err
	}
	f.mu.Lock()
	f.asked["Subscribe"]++
	if f.taskless {
		f.mu.Unlock()
		return status.Error(codes.Unimplemented, "unknown service containerd.services.events.v1.Events")
	}
	f.filters = string(asked.ProtoReflect().GetUnknown())
	c := make(chan []byte, 64)
	f.subscribers[c] = true
	f.mu.Unlock()
	defer f.set(func() { delete(f.subscribers, c) })
	for {
		select {
		case <-s.Context().Done():
			return nil
		case data, ok := <-c:
			if !ok {
				return status.Error(codes.Unavailable, "the server stops")
			}
			var m emptypb.Empty
			m.ProtoReflect().SetUnknown(data)
			if err := s.SendMsg(&m); err != nil {
				return err
			}
		}
	}
}

// happens sends an event about a task.
func (f *fake) happens(namespace, topic string, body request) {
	data := request{}.text(2, namespace).text(3, topic).message(4, request{}.text(1, "containerd.events.Task").message(2, body))
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.subscribers {
		select {
		case c <- data:
		default: // nobody reads, and it is lost
		}
	}
}

func taskExit(id, process string, code uint64, at time.Time) request {
	when, _ := proto.Marshal(timestamppb.New(at))
	return request{}.text(1, id).text(2, process).number(3, 4711).number(4, code).message(5, when)
}

// dies has the first process of a container end, of which CRI does not know yet.
func (f *fake) dies(id string, code uint64) {
	f.happens(kubernetesNS, topicExit, taskExit(id, id, code, time.Now()))
}

// TestEndsAreToldAtOnce: the end is told before CRI has it, and the reason when CRI has it.
func TestEndsAreToldAtOnce(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.expect("pod/web[app]#0 running 0 ")
		b.fake.happens(kubernetesNS, topicExit, taskExit(id, "a-probe", 1, time.Now()))
		b.fake.happens("moby", topicExit, taskExit(id, id, 1, time.Now()))
		b.fake.happens(kubernetesNS, "/tasks/start", taskExit(id, id, 1, time.Now()))
		b.wait(time.Millisecond)
		b.expect()
		ended := time.Now().UTC()
		b.fake.dies(id, 137)
		b.fake.dies(id, 137)
		b.wait(time.Millisecond)
		b.expect("pod/web[app]#0 exited 137 ")
		if run := b.list[len(b.list)-1].Run; !run.Finished.Equal(ended) || run.Started.IsZero() || len(run.Command) == 0 {
			t.Errorf("told %+v", run)
		}
		b.wait(5 * time.Second)
		b.expect()
		b.fake.exit(id, 137, "OOMKilled")
		b.wait(time.Second)
		b.expect("pod/web[app]#0 exited 137 OOMKilled")
		n := b.calls("ContainerStatus")
		b.wait(5 * time.Second)
		b.expect()
		if c := b.reader.Counts(); c.Ends != 2 || b.calls("ContainerStatus") != n {
			t.Errorf("counted %+v, asked %d times more", c, b.calls("ContainerStatus")-n)
		}
		if want := `namespace=="k8s.io",topic=="/tasks/exit"`; !strings.Contains(b.fake.filters, want) || !strings.Contains(b.fake.filters, topicOOM) {
			t.Errorf("asked for %q", b.fake.filters)
		}
	})
}

// TestEndsOutOfMemory: the runtime's word that a container ran out of memory is the reason that it will give.
func TestEndsOutOfMemory(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.told(&b.from)
		b.fake.happens(kubernetesNS, topicOOM, request{}.text(1, id))
		ended := time.Now()
		b.fake.dies(id, 137)
		b.wait(time.Millisecond)
		b.expect("pod/web[app]#0 exited 137 OOMKilled")
		b.fake.exit(id, 137, "OOMKilled")
		b.fake.set(func() { b.fake.containers[id].FinishedAt = ended.UnixNano() })
		b.wait(5 * time.Second)
		b.expect() // there is nothing more to tell
	})
}

// TestEndsOfTheUnknown: a container that no list has shown is looked at with its pod, so that the account stays exact.
func TestEndsOfTheUnknown(t *testing.T) {
	play(t, func(b *bench) {
		b.wait(500 * time.Millisecond)
		b.fake.exit(b.fake.run("web", "app", 0), 1, "Error")
		id := b.fake.run("web", "app", 1)
		b.fake.dies(id, 2)
		b.fake.dies("nobody", 1)
		b.wait(time.Millisecond)
		b.expect("pod/web[app]#0 exited 1 Error", "pod/web[app]#1 running 0 ", "pod/web[app]#1 exited 2 ")
		b.fake.exit(id, 2, "Error")
		b.wait(time.Second)
		b.expect("pod/web[app]#1 exited 2 Error")
		b.wait(30 * time.Second)
		b.reader.ends.mu.Lock()
		defer b.reader.ends.mu.Unlock()
		if len(b.reader.ends.list) > 0 {
			t.Errorf("ends that wait for ever: %v", b.reader.ends.list)
		}
	})
}

// TestEndsWithoutReason: a container that is removed before CRI has its end keeps the end that was told.
func TestEndsWithoutReason(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.told(&b.from)
		b.fake.dies(id, 3)
		b.wait(time.Millisecond)
		b.fake.remove(id)
		b.wait(time.Second)
		b.expect("pod/web[app]#0 exited 3 ", "pod/web[app]#0 exited 3 ")
		if run := b.list[len(b.list)-1].Run; run.Message != "the runtime removed it before its reason was seen" {
			t.Errorf("told %+v", run)
		}
	})
}

// TestEndsOutOfMemoryWithoutStatus: of an end whose reason was told at once nothing is said to be missing.
func TestEndsOutOfMemoryWithoutStatus(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.told(&b.from)
		b.fake.happens(kubernetesNS, topicOOM, request{}.text(1, id))
		b.fake.dies(id, 137)
		b.wait(time.Millisecond)
		b.fake.remove(id)
		b.wait(time.Second)
		b.expect("pod/web[app]#0 exited 137 OOMKilled")
	})
}

// TestEndsOverARestart: an agent that was killed between an end and its reason leaves the reason to the next.
func TestEndsOverARestart(t *testing.T) {
	const away = "gap node/n1 0 runs: the agent did not run: containers of pods that were removed meanwhile are not known, those of other pods are counted apart"
	for reason, want := range map[string][]string{"OOMKilled": {"pod/web[app]#0 exited 137 OOMKilled", away}, "": {away}} {
		t.Run(reason, func(t *testing.T) {
			play(t, func(b *bench) {
				id := b.fake.run("web", "app", 0)
				b.wait(time.Second)
				ended := time.Now()
				b.fake.dies(id, 137)
				b.wait(time.Millisecond)
				b.told(&b.from)
				b.end()
				b.fake.exit(id, 137, reason)
				b.fake.set(func() { b.fake.containers[id].FinishedAt = ended.UnixNano() })
				n := b.calls("ContainerStatus")
				b.begin(Options{})
				b.wait(5 * time.Second)
				b.expect(want...)
				if got := b.calls("ContainerStatus") - n; got != 1 {
					t.Errorf("asked %d times for the reason", got)
				}
			})
		})
	}
}

// TestNoTaskEvents: a runtime that has none is asked seldom, and followed all the same.
func TestNoTaskEvents(t *testing.T) {
	play(t, func(b *bench) {
		b.end()
		b.fake.taskless = true
		n := b.calls("Subscribe")
		b.begin(Options{})
		b.wait(time.Minute)
		if got := b.calls("Subscribe") - n; got != 1 {
			t.Errorf("asked %d times in a minute for events that the runtime does not have", got)
		}
		b.fake.exit(b.fake.run("web", "app", 0), 1, "Error")
		b.wait(calmTimes * time.Second) // no event tells of it, and the lists are rare while nothing happens
		b.expect("pod/web[app]#0 exited 1 Error")
	})
}

// TestPanicsOfListeners: what goes wrong while an event is heard is an error of the reader.
func TestPanicsOfListeners(t *testing.T) {
	play(t, func(b *bench) {
		id := b.fake.run("web", "app", 0)
		b.wait(time.Second)
		b.reader.o.Tell = nil
		b.fake.dies(id, 1)
		if err := <-b.ended; err == nil || !strings.HasPrefix(err.Error(), "it failed: ") {
			t.Errorf("it ended with %v", err)
		}
		b.begin(Options{})
	})
}

func TestReadTask(t *testing.T) {
	at := time.Unix(1790000000, 123456789).UTC()
	envelope := func(body request) request {
		return request{}.text(2, kubernetesNS).text(3, topicExit).message(4, request{}.text(1, "containerd.events.TaskExit").message(2, body))
	}
	got, err := readTask(envelope(taskExit("c1", "c1", 137, at)))
	if want := (task{topic: topicExit, end: taskEnd{id: "c1", code: 137, at: at}}); got != want || err != nil {
		t.Errorf("read %+v (%v), want %+v", got, err, want)
	}
	if got, err := readTask(envelope(taskExit("c1", "e1", 0, at))); !got.exec || err != nil {
		t.Errorf("of a process that was started in it: %+v (%v)", got, err)
	}
	if _, err := readTask(envelope(request{0xff})); err == nil {
		t.Error("a message that is none is read")
	}
}

// FuzzTasks reads events that are none.
func FuzzTasks(f *testing.F) {
	f.Add([]byte(request{}.text(2, kubernetesNS).text(3, topicExit).message(4, request{}.text(1, "x").message(2, taskExit("c1", "c1", 137, time.Unix(1790000000, 5))))))
	f.Add([]byte(request{}.text(2, kubernetesNS).text(3, topicOOM).message(4, request{}.message(2, request{}.text(1, "c1")))))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readTask(data)
		if !utf8.ValidString(got.end.id) || len(got.end.id) > maxName+len("…") || err == nil && got.topic != "" && got.topic != topicExit && got.topic != topicOOM {
			t.Errorf("read %+v (%v)", got, err)
		}
		if y := got.end.at.Year(); y < 1 || y > 2300 {
			t.Errorf("the time is %s", got.end.at)
		}
	})
}
