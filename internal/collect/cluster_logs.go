// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// How much of a log is read. The API counts bytes from the start of what it sends, so the end is asked for in lines
// and cut to size here.
const (
	logBytes  = 256 << 10 // of one log, unless the question says otherwise
	logLines  = 2000      // asked for at first; lines are seldom longer than 128 bytes
	logWindow = 8 << 20   // the most that is received of one log; with longer lines fewer are asked for
	allLogs   = 32 << 20  // of all logs of a snapshot together
	leastLog  = 16 << 10  // of one log, when there are many
	perNode   = 2         // logs that are read from one node at the same time
)

// logs reads the log of each container's last ended attempt, as far as that end needs explaining.
func (v *visit) logs(ctx context.Context, pods []*corev1.Pod) {
	if v.sel.NoLogs {
		return
	}
	attempts := v.ended(pods)
	size := v.sel.LogBytes
	if size <= 0 {
		size = logBytes
	}
	if n := int64(len(attempts)); n > 1 {
		size = min(size, max(allLogs/n, leastLog))
	}
	if len(attempts) == 0 {
		v.has("Log")
		return
	}
	nodes := map[string][]evidence.Attempt{}
	on := map[evidence.Ref]string{}
	for _, pod := range pods {
		on[evidence.RefOf(pod)] = pod.Spec.NodeName
	}
	for i, a := range attempts {
		if i >= allLogs/leastLog {
			v.gap(evidence.Logs, a.Of, fmt.Sprintf("not read: %d logs are the most for one question", allLogs/leastLog))
			continue
		}
		nodes[on[a.Of.Object()]] = append(nodes[on[a.Of.Object()]], a)
	}
	var group sync.WaitGroup
	for node, attempts := range nodes {
		r := &logReader{visit: v, node: node, size: size}
		group.Go(func() { r.read(ctx, attempts) })
	}
	group.Wait()
}

// ended returns the last ended attempt of each container of the pods that was asked about, newest end first.
func (v *visit) ended(pods []*corev1.Pod) []evidence.Attempt {
	objects := make([]evidence.Object, 0, len(pods))
	for _, pod := range pods {
		objects = append(objects, pod)
	}
	s := (&evidence.Snapshot{Taken: v.s.Taken, Objects: objects}).Freeze()
	last := map[evidence.Ref]evidence.Attempt{}
	for _, pod := range pods {
		for _, a := range s.Deaths(evidence.RefOf(pod)) {
			if v.sel.Container == "" || v.sel.Container == a.Of.Container {
				last[a.Of.InAttempt(evidence.NoAttempt)] = a // they come oldest first
			}
		}
	}
	var list []evidence.Attempt
	for _, a := range last {
		if !a.Started.IsZero() || a.Reason == "Unknown" { // what never started has no log
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b evidence.Attempt) int {
		if c := b.Finished.Compare(a.Finished); c != 0 {
			return c
		}
		return a.Of.Compare(b.Of)
	})
	return list
}

// A logReader reads the logs that are on one node. When that node does not answer, no more of it are asked for: each
// would cost the same wait.
type logReader struct {
	visit *visit
	node  string
	size  int64

	mu   sync.Mutex
	down string // why the node cannot be asked
}

func (r *logReader) read(ctx context.Context, attempts []evidence.Attempt) {
	slots := make(chan struct{}, perNode)
	var group sync.WaitGroup
	for _, a := range attempts {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			r.one(ctx, a)
		})
	}
	group.Wait()
}

func (r *logReader) one(ctx context.Context, a evidence.Attempt) {
	r.mu.Lock()
	down := r.down
	r.mu.Unlock()
	if down != "" {
		r.visit.gap(evidence.Logs, a.Of, "not tried: the log before it on node "+r.node+" failed with "+down)
		return
	}
	log, err := r.attempt(ctx, a)
	if err == nil {
		log.Text, log.Masked = maskText(log.Text)
		r.visit.mu.Lock()
		defer r.visit.mu.Unlock()
		r.visit.s.Logs = append(r.visit.s.Logs, log)
		r.visit.s.Has |= evidence.Logs
		return
	}
	why, nodeDown := r.why(ctx, a.Of, err)
	r.visit.gap(evidence.Logs, a.Of, why)
	if nodeDown {
		r.mu.Lock()
		r.down = why
		r.mu.Unlock()
	}
}

// errGone means that the kubelet has removed the container, and its log with it.
var errGone = errors.New("the container was removed before its log could be read")

// attempt reads the log of one attempt. One that the status shows as the current state is read plainly, because what
// is called previous then is a container before it that is removed already; if it has been replaced since, it is the
// previous one. One that the status shows as the last state is the previous one.
func (r *logReader) attempt(ctx context.Context, a evidence.Attempt) (evidence.Log, error) {
	tries := []bool{true}
	if !strings.Contains(a.Where, ".lastState.") {
		tries = []bool{false, true}
	}
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	var log evidence.Log
	var err error
	for _, previous := range tries {
		log, err = r.run(ctx, a, previous)
		if !errors.Is(err, errGone) {
			break
		}
	}
	return log, err
}

// run reads the end of the log of one run of a container, and checks that it is the run that is meant.
func (r *logReader) run(ctx context.Context, a evidence.Attempt, previous bool) (evidence.Log, error) {
	lines := max(logLines, r.size/128)
	end := &tail{max: int(r.size)}
	for {
		*end = tail{max: end.max}
		if err := r.receive(ctx, a.Of, previous, lines, end); err != nil {
			return evidence.Log{}, err
		}
		if end.received < logWindow || lines <= 10 {
			break
		}
		lines = max(10, lines*r.size/logWindow)
	}
	text, cut := end.text()
	log := evidence.Log{Of: a.Of, Text: text}
	switch {
	case cut:
		log.Missing = "everything before the last " + size(len(text), r.size)
	case end.lines >= lines:
		log.Missing = fmt.Sprintf("anything before the last %d lines", lines)
	}
	if removed.MatchString(text) || !fits(text, a) {
		return evidence.Log{}, errGone
	}
	return log, nil
}

func (r *logReader) receive(ctx context.Context, of evidence.Ref, previous bool, lines int64, end *tail) error {
	body, err := r.visit.api.log(ctx, of, previous, lines)
	if err != nil {
		if removedContainer(err) {
			return errGone
		}
		return err
	}
	defer body.Close()
	_, err = io.Copy(end, body)
	return err
}

// removed is what a kubelet sends as a log when the container is gone. It carries no time, so that no process can
// have printed it.
var removed = regexp.MustCompile(`^unable to retrieve container logs for [a-z-]+://[0-9a-zA-Z]+\n?$`)

func removedContainer(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unable to retrieve container logs") ||
		strings.Contains(text, "previous terminated container") && strings.Contains(text, "not found")
}

// slack covers that the ends of attempts are written in whole seconds.
const slack = 2 * time.Second

// fits tells whether the log may be that of attempt a: a container can be replaced between the reading of its status
// and of its log, and the API cannot be asked for the log of a certain run.
func fits(text string, a evidence.Attempt) bool {
	first, last := lineTime(text), lineTime(text[strings.LastIndexByte(strings.TrimRight(text, "\n"), '\n')+1:])
	afterEnd := !a.Finished.IsZero() && !first.IsZero() && first.After(a.Finished.Add(slack))
	beforeStart := !a.Started.IsZero() && !last.IsZero() && last.Before(a.Started.Add(-slack))
	return !afterEnd && !beforeStart
}

// lineTime returns the time that the first line begins with.
func lineTime(line string) time.Time {
	stamp, _, _ := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return time.Time{}
	}
	return at
}

// why says how the reading of a log failed, and whether that speaks of the node. The API server answers with what
// went wrong between it and the kubelet; anything else went wrong on the way to the API server.
func (r *logReader) why(visiting context.Context, of evidence.Ref, err error) (text string, nodeDown bool) {
	var status apierrors.APIStatus
	switch {
	case errors.Is(err, errGone):
		return errGone.Error(), false
	case visiting.Err() == nil && isTimeout(err):
		return fmt.Sprintf("time-out after %s: no log came from node %s", logLimit, r.node), true
	case errors.As(err, &status):
		if text, ok := networkReason(status.Status().Message); ok {
			return fmt.Sprintf("%s: the API server cannot reach the kubelet of node %s", text, r.node), true
		}
	}
	return r.visit.api.why(visiting, err, "get", "Log", of.Namespace), false
}

// size returns how much text was kept, in the words of the question where that is what it asked for.
func size(n int, asked int64) string {
	if int64(n) > asked-asked/8 {
		n = int(asked)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// A tail keeps the last max bytes that are written to it, in at most twice that memory.
type tail struct {
	max      int
	data     []byte
	received int64
	lines    int64
}

// Write takes everything and forgets all but the end.
func (t *tail) Write(p []byte) (int, error) {
	t.received += int64(len(p))
	t.lines += int64(bytes.Count(p, []byte{'\n'}))
	t.data = append(t.data, p[max(0, len(p)-t.max):]...)
	if len(t.data) > 2*t.max {
		t.data = append(t.data[:0], t.data[len(t.data)-t.max:]...)
	}
	return len(p), nil
}

// text returns the end in whole lines where there are any, and whether something before it is left out.
func (t *tail) text() (string, bool) {
	data := t.data[max(0, len(t.data)-t.max):]
	cut := t.received > int64(len(data))
	if i := bytes.IndexByte(data, '\n'); cut && i >= 0 && i+1 < len(data) {
		data = data[i+1:]
	}
	return strings.ToValidUTF8(string(data), "\uFFFD"), cut
}
