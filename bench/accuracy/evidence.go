// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubeinquest/inquest/e2e/grounded"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/report"
	"github.com/kubeinquest/inquest/internal/signature"
)

var times = regexp.MustCompile(` \(x\d+\)$`) // how often an Event was seen, behind its message

// found tells whether the evidence says what a fact says, at the place that it names.
func found(s *evidence.Snapshot, f report.Fact) bool {
	about := evidence.RefTo(f.About.Kind, f.About.Namespace, f.About.Name)
	switch f.Source {
	case "event":
		text := times.ReplaceAllString(f.Text, "")
		return slices.ContainsFunc(s.Events, func(e *corev1.Event) bool {
			return e.InvolvedObject.Kind == about.Kind && e.InvolvedObject.Name == about.Name && e.Reason+": "+e.Message == text
		})
	case "log":
		return slices.ContainsFunc(s.Logs, func(l evidence.Log) bool { return l.Of.Object() == about && hasLine(l.Text, f.Text) })
	}
	if slices.ContainsFunc(s.Facts, func(known evidence.Fact) bool { return known.Text == f.Text && known.Where == f.Where }) {
		return true
	}
	o := s.Object(about)
	if o == nil {
		return f.Text == "not found" && s.IsAbsent(about)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	return err == nil && grounded.Says(fields, f.Where, f.Text)
}

func hasLine(log, want string) bool {
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if _, text := signature.Parse(line); line == want || text == want {
			return true
		}
	}
	return false
}

// reasons is what a table of reasons makes of what kubectl get pod shows, as such tools have it: the first that fits.
var reasons = []struct{ looks, rule string }{
	{"OOMKilled", "MEM001"},
	{"exit code 137", "MEM001"},
	{"Evicted", "EVC001"},
	{"ErrImagePull", "IMG001"},
	{"ImagePullBackOff", "IMG001"},
	{"InvalidImageName", "IMG004"},
	{"CreateContainerConfigError", "CFG001"},
	{"RunContainerError", "EXT003"},
	{"StartError", "EXT003"},
	{"CrashLoopBackOff", "EXT001"},
	{"Error", "EXT001"},
	{"FailedScheduling", "SCH001"},
	{"FailedMount", "STO001"},
	{"NodeNotReady", "NOD001"},
	{"Unhealthy", "PRB003"},
}

// table returns what a table of reasons sees in the pods, and the rule that it would name; "" when it sees nothing.
func table(s *evidence.Snapshot) (looks, rule string) {
	var seen []string
	for _, pod := range evidence.List[*corev1.Pod](s) {
		seen = append(seen, pod.Status.Reason)
		for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if st.State.Waiting != nil {
				seen = append(seen, st.State.Waiting.Reason)
			}
			if t := cmp.Or(st.State.Terminated, st.LastTerminationState.Terminated); t != nil {
				seen = append(seen, t.Reason)
				if t.ExitCode == 137 {
					seen = append(seen, "exit code 137")
				}
			}
		}
	}
	for _, e := range s.Events {
		seen = append(seen, e.Reason)
	}
	for _, r := range reasons {
		if slices.Contains(seen, r.looks) {
			return r.looks, r.rule
		}
	}
	return "nothing", ""
}
