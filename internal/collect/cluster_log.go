// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A logReader reads the logs that are on one node. When that node does not answer, no more of it are asked for: each
// would cost the same wait.
type logReader struct {
	visit    *visit
	node     string
	size     int64
	attempts []evidence.Attempt

	mu   sync.Mutex
	down string // why the node cannot be asked
	gone []evidence.Attempt
}

func (r *logReader) read(ctx context.Context) {
	most := perNode
	if r.visit.about.Kind == "Pod" { // in order, so that it is always the same that no request is left for
		most = 1
	}
	slots := make(chan struct{}, most)
	var group sync.WaitGroup
	for _, a := range r.attempts {
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
		log.Text, log.Masked = Redact(log.Text)
		r.visit.mu.Lock()
		defer r.visit.mu.Unlock()
		r.visit.s.Logs = append(r.visit.s.Logs, log)
		r.visit.s.Has |= evidence.Logs
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, errGone) {
		r.gone = append(r.gone, a)
		return
	}
	why, nodeDown := r.why(ctx, a.Of, err)
	r.visit.gap(evidence.Logs, a.Of, why)
	if nodeDown {
		r.down = why
	}
}

// errGone means that the kubelet has removed the container, and its log with it.
var errGone = errors.New("the container was removed before its log could be read")

// attempt reads the log of one attempt. One that the status shows as the current state is read plainly, because what
// is called previous then is a container before it that is removed already; if it has been replaced since, it is the
// previous one. One that the status shows as the last state is the previous one.
func (r *logReader) attempt(ctx context.Context, a evidence.Attempt) (evidence.Log, error) {
	tries := []bool{true}
	if !a.Ended() {
		tries = []bool{false}
	} else if !strings.Contains(a.Where, ".lastState.") {
		tries = []bool{false, true}
	}
	ctx, cancel := context.WithTimeout(ctx, r.visit.api.limits.log)
	defer cancel()
	empty := false
	for _, previous := range tries {
		log, err := r.run(ctx, a, previous)
		switch {
		case err == nil && log.Text == "": // a new run that has printed nothing yet looks the same
			empty = true
		case !errors.Is(err, errGone):
			return log, err
		}
	}
	if empty {
		return evidence.Log{Of: a.Of}, nil
	}
	return evidence.Log{}, errGone
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
	body, err := r.visit.logAPI.log(ctx, of, previous, lines)
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

// removed is what a kubelet sends as a log when the container is gone, or its log file is already (kubernetes
// pkg/kubelet/kuberuntime, staging/src/k8s.io/cri-client/pkg/logs). It carries no time, so that no process can have printed it.
var removed = regex.New(`^(?:unable to retrieve container logs for [a-z-]+://[0-9a-zA-Z]+|` +
	`failed to try resolving symlinks in path "[^"\n]+": lstat [^\n]+: no such file or directory)\n?$`)

func removedContainer(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unable to retrieve container logs") ||
		strings.Contains(text, "previous terminated container") && strings.Contains(text, "not found")
}

// slack is how long after the second in which an attempt ended a line of it may be stamped: the status has whole
// seconds, and the runtime stamps a line when it reads it.
const slack = 1500 * time.Millisecond

// fits tells whether the log may be that of attempt a: a container can be replaced between the reading of its status
// and of its log, and the API cannot be asked for the log of a certain run.
func fits(text string, a evidence.Attempt) bool {
	first, last := lineTime(text), lineTime(text[strings.LastIndexByte(strings.TrimRight(text, "\n"), '\n')+1:])
	afterEnd := !a.Finished.IsZero() && !first.IsZero() && first.After(a.Finished.Add(slack))
	beforeStart := !a.Started.IsZero() && !last.IsZero() && last.Before(a.Started)
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
	case visiting.Err() == nil && isTimeout(err):
		return fmt.Sprintf("time-out after %s: no log came from node %s", r.visit.api.limits.log, r.node), true
	case errors.As(err, &status):
		if text, ok := networkReason(status.Status().Message); ok {
			return fmt.Sprintf("%s: the API server cannot reach the kubelet of node %s", text, r.node), true
		}
		if strings.Contains(status.Status().Message, "could not find the requested resource") {
			return fmt.Sprintf("the kubelet of node %s does not know the pod, as when it has just started", r.node), false
		}
	}
	return r.visit.api.why(visiting, err, "get", "Log", of.Namespace), false
}
