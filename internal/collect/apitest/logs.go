// SPDX-License-Identifier: Apache-2.0

package apitest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// log answers as a kubelet does: previous is the run in the last state; without it, the run in the state, or in the
// last state while the container waits. A run that has no log in the snapshot was removed with its container.
func (s *Server) log(w http.ResponseWriter, r *http.Request, of evidence.Ref) {
	query := r.URL.Query()
	of = of.InContainer(query.Get("container"))
	s.mu.Lock()
	pod, isPod := s.objects[of.Object()].(*corev1.Pod)
	var run evidence.Ref
	if isPod {
		run = s.run(pod, of, query.Get("previous") == "true")
	}
	text, kept := s.logs[run]
	s.mu.Unlock()
	switch {
	case !isPod:
		s.refuse(w, r, http.StatusNotFound, of.Name, fmt.Sprintf("pods %q not found", of.Name))
		return
	case run.Kind == "":
		s.refuse(w, r, http.StatusBadRequest, "", fmt.Sprintf("previous terminated container %q in pod %q not found", of.Container, of.Name))
		return
	case !kept:
		text = "unable to retrieve container logs for containerd://0123456789abcdef"
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, window(text, query.Get("tailLines"), query.Get("limitBytes"))) // the client may have gone
}

// run returns which run of a container a request for its log means; the zero Ref when there is none.
func (s *Server) run(pod *corev1.Pod, of evidence.Ref, previous bool) evidence.Ref {
	status := evidence.ContainerStatus(pod, of.Container)
	last := previous || status != nil && status.State.Waiting != nil
	for _, a := range s.attempts.Attempts(of) {
		if strings.Contains(a.Where, ".lastState.") == last {
			return a.Of
		}
	}
	return evidence.Ref{}
}

// window cuts a log as the API does: first to the last lines, then to the first bytes of those.
func window(text, tailLines, limitBytes string) string {
	if n, err := strconv.Atoi(tailLines); err == nil {
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		ending := text[len(strings.TrimSuffix(text, "\n")):]
		text = strings.Join(lines[max(0, len(lines)-n):], "") + ending
	}
	if n, err := strconv.Atoi(limitBytes); err == nil {
		text = text[:min(n, len(text))]
	}
	return text
}
