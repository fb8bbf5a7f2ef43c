// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/record"
)

// containerd tells by events of its own, on the socket of CRI, that a process has ended. It removes what is left of it before
// CRI says so, which takes many times as long. These events go to everybody who asks, in containerd 1.x too.
const (
	subscribe    = "/containerd.services.events.v1.Events/Subscribe"
	kubernetesNS = "k8s.io" // what containerd calls the part of it that is CRI's
	topicExit    = "/tasks/exit"
	topicOOM     = "/tasks/oom"
	keepEnds     = 10 * time.Second // for which an end waits for its container to be known
	mostEnds     = 256              // that wait
)

func taskFilters() request {
	return request{}.texts(1, []string{
		`namespace=="` + kubernetesNS + `",topic=="` + topicExit + `"`, `namespace=="` + kubernetesNS + `",topic=="` + topicOOM + `"`,
	})
}

// A taskEnd is the end of the first process of a container.
type taskEnd struct {
	id    string
	code  int
	at    time.Time
	heard time.Time
}

// A task is what an event says of one (messages TaskExit and TaskOOM).
type task struct {
	topic string
	end   taskEnd
	exec  bool // it was not the first process of the container
}

// readTask reads an event (message Envelope).
func readTask(data []byte) (t task, err error) {
	var namespace string
	var body []byte
	err = fields(data, func(f field) error {
		switch f.number {
		case 2:
			namespace = f.text()
		case 3:
			t.topic = f.text()
		case 4:
			value, err := one(f.bytes, 2)
			body = value.bytes
			return err
		}
		return nil
	})
	if err != nil || namespace != kubernetesNS || t.topic != topicExit && t.topic != topicOOM {
		return task{}, err
	}
	process := ""
	err = fields(body, func(f field) (err error) {
		switch f.number {
		case 1:
			t.end.id = cut(string(f.bytes), maxName)
		case 2:
			process = cut(string(f.bytes), maxName)
		case 4:
			t.end.code = int(int32(f.value))
		case 5:
			t.end.at, err = readTime(f.bytes)
		}
		return err
	})
	t.exec = process != t.end.id
	return t, err
}

// readTime reads a message Timestamp.
func readTime(data []byte) (time.Time, error) {
	var seconds, nanos int64
	err := fields(data, func(f field) error {
		switch f.number {
		case 1:
			seconds = int64(f.value)
		case 2:
			nanos = int64(f.value)
		}
		return nil
	})
	if seconds <= 0 || seconds >= 1<<33 || nanos < 0 || nanos >= 1e9 {
		return time.Time{}, err // it is none
	}
	return time.Unix(seconds, nanos).UTC(), err
}

// ends are those that wait for their containers to be told of, and containers that ran out of memory.
type ends struct {
	mu      sync.Mutex
	list    map[string]taskEnd
	starved map[string]time.Time
}

func (e *ends) put(end taskEnd) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) < mostEnds {
		e.list[end.id] = end
	}
}

func (e *ends) take(id string) (taskEnd, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	end, ok := e.list[id]
	delete(e.list, id)
	return end, ok
}

// starve notes that a container ran out of memory.
func (e *ends) starve(id string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.starved) < mostEnds {
		e.starved[id] = now
	}
}

func (e *ends) hasStarved(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.starved[id]
	delete(e.starved, id)
	return ok
}

// expire forgets what nobody has asked for.
func (e *ends) expire(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, end := range e.list {
		if now.Sub(end.heard) > keepEnds {
			delete(e.list, id)
		}
	}
	for id, at := range e.starved {
		if now.Sub(at) > keepEnds {
			delete(e.starved, id)
		}
	}
}

// streamTasks reads one stream of containerd's events to its end.
func (r *Reader) streamTasks(ctx context.Context) (got bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	own := client{transport: r.client.transport}
	err = own.stream(ctx, subscribe, taskFilters(), func(data []byte) {
		got = true
		if t, err := readTask(data); err == nil && t.end.id != "" {
			r.heard(t)
		}
	})
	if got {
		r.events.everything() // the ends from here on are not heard
	}
	return got, err
}

// heard takes an event about a task. It does not wait for anything but whoever is told.
func (r *Reader) heard(t task) {
	switch {
	case t.topic == topicOOM:
		r.ends.starve(t.end.id, time.Now())
		return
	case t.exec || t.end.at.IsZero():
		return
	}
	r.counts.add(func(c *Counts) { c.Ends++ })
	t.end.heard = time.Now()
	r.telling.Lock()
	defer r.telling.Unlock()
	it, box := r.index.find(t.end.id)
	if box || it != nil && it.pod == nil {
		return
	}
	if it != nil {
		if told, _ := r.index.told(it); told != "" && told != record.Created {
			r.tellEnd(it, t.end)
			r.events.stir() // the reason is to come, by another event or not
			return
		}
	}
	r.ends.put(t.end)
	r.events.over(t.end.id)
}

// tellEnd tells at once that a run has ended and how. Why, and what else the runtime says of it, is told when CRI has its status. That
// it ran out of memory is what the runtime will say too, if it has said so already. The caller holds r.telling.
func (r *Reader) tellEnd(it *item, end taskEnd) {
	if told, _ := r.index.told(it); told != record.Running {
		return
	}
	run := r.index.of(it)
	run.State, run.ExitCode, run.Finished = record.Exited, end.code, end.at
	if r.ends.hasStarved(run.ID) {
		run.Reason = "OOMKilled"
	}
	r.index.set(it, run, record.Exited, true)
	r.tell(it.pod.uid, record.Entry{Run: &run})
}

// whose returns the UID of the pod of a container; empty if it is of none.
func (r *Reader) whose(ctx context.Context, id string) (uid string) {
	if it, box := r.index.find(id); box || it != nil {
		if it != nil && it.pod != nil {
			uid = it.pod.uid
		}
		return uid
	}
	answer, err := r.call(ctx, "ListContainers", "", request{}.message(1, request{}.text(1, id)))
	if err != nil {
		return ""
	}
	_ = each(answer, func(data []byte) error { // what cannot be read the next list will show
		c, err := readContainer(data)
		if err == nil && c.id == id {
			uid, _, _ = owner(c.labels)
		}
		return err
	})
	return uid
}
