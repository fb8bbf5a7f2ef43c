// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a user needs to ask an agent, and what an agent's reader needs to be answered. Deploy/agent/reader.yaml has both.
const (
	needList  = "list pods"
	needToken = "create serviceaccounts/token of " + agentReader
	needProxy = "get pods/proxy"
	grantsIt  = "the Role inquest-agents there, of deploy/agent/reader.yaml, grants it"
	bindsIt   = "bind the ClusterRole inquest-agent-reader of deploy/agent/reader.yaml to it"
)

// agentWhy says why an agent could not be asked, and what to do about it.
func (v *visit) agentWhy(ctx context.Context, err error, need string) string {
	said := serverSaid(err)
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(said, " may not get "): // in the words of the agent itself
		return said + ": " + bindsIt
	case apierrors.IsForbidden(err) && isOwnRefusal(err):
		return fmt.Sprintf("forbidden: cannot %s in namespace %s: %s", need, agentNamespace, grantsIt)
	case apierrors.IsNotFound(err) && need == needToken:
		return fmt.Sprintf("there is no service account %s in namespace %s: apply deploy/agent/reader.yaml", agentReader, agentNamespace)
	case said != "":
		if known, ok := networkReason(said); ok && apierrors.IsServiceUnavailable(err) {
			return "the API server cannot reach it: " + known
		}
		return said
	}
	return v.api.reason(ctx, err)
}

// isOwnRefusal tells whether it was the API server that refused, and not what it hands requests on to.
func isOwnRefusal(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind != "" &&
		!apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// serverSaid is the text of an answer that was no object of the API: client-go keeps it beside words of its own.
func serverSaid(err error) string {
	if cause, ok := apierrors.StatusCause(err, metav1.CauseTypeUnexpectedServerResponse); ok && cause.Message != "unknown" {
		return flatten(cause.Message)
	}
	return ""
}

// runs tells whether an agent may answer. It need not be ready: of a node whose kubelet is gone nobody says that any more, and
// its agent may well be there.
func (a *agent) runs(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].State.Running != nil {
			return true
		}
	}
	return isReady(pod)
}

// offer takes a pod for the agent of its node, unless there is a better one.
func (a *agent) offer(pod *corev1.Pod) {
	switch {
	case !a.runs(pod):
		a.idle = pod
	case a.pod == nil || isReady(pod):
		a.pod = pod
	}
}

// without says why a node has no agent that could be asked.
func (a *agent) without() string {
	if a.idle == nil {
		return NoAgent
	}
	why := string(a.idle.Status.Phase)
	for i := range a.idle.Status.ContainerStatuses {
		switch s := &a.idle.Status.ContainerStatuses[i].State; {
		case s.Waiting != nil && s.Waiting.Reason != "":
			why = s.Waiting.Reason
		case s.Terminated != nil:
			why = fmt.Sprintf("%s, exit code %d", s.Terminated.Reason, s.Terminated.ExitCode)
		}
		if last := a.idle.Status.ContainerStatuses[i].LastTerminationState.Terminated; last != nil && last.Message != "" {
			lines := strings.Split(strings.TrimSpace(last.Message), "\n")
			why += ": " + lines[len(lines)-1]
		}
	}
	return fmt.Sprintf("its agent does not run (%s): see kubectl -n %s describe pod/%s", flatten(why), agentNamespace, a.idle.Name)
}
