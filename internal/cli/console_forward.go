// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/kubeinquest/inquest/internal/report"
)

const (
	// serverNamespace, serverLabels and serverPort are as deploy/server has them. The port is one of the pod's own loopback address,
	// where the server speaks plainly: only a forward leads there.
	serverNamespace = "inquest-server"
	serverLabels    = "app.kubernetes.io/name=inquest-server"
	serverPort      = 8738
	// againAfter is how long after a forward broke off another one is tried.
	againAfter = 2 * time.Second
)

// A forward leads from a port of this machine to a server in the cluster, whichever of its pods is ready.
type forward struct {
	config    *rest.Config
	namespace string
	port      atomic.Int32
}

// run forwards until the context ends, and says when it leads somewhere for the first time. Before that any error is an end.
func (f *forward) run(ctx context.Context, ready chan<- struct{}, notes io.Writer) error {
	led := false
	for ctx.Err() == nil {
		pod, err := f.pod(ctx)
		if err == nil {
			err = f.to(ctx, pod, func() {
				if !led {
					close(ready)
				}
				led = true
			})
		}
		if !led || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if err != nil {
			fmt.Fprintln(notes, "notice: the way to the server broke off, another one is looked for: "+report.Escape(oneLine(err)))
		}
		pause := time.NewTimer(againAfter)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
	return ctx.Err()
}

// pod finds one that is ready.
func (f *forward) pod(ctx context.Context) (string, error) {
	client, err := coreclient.NewForConfig(f.config)
	if err != nil {
		return "", fmt.Errorf("reach the cluster: %w", err)
	}
	pods, err := client.Pods(f.namespace).List(ctx, metav1.ListOptions{LabelSelector: serverLabels, Limit: 50})
	if err != nil {
		return "", fmt.Errorf("look for the server's pods in namespace %s: %w", f.namespace, err)
	}
	for i := range pods.Items {
		if isReady(&pods.Items[i]) {
			return pods.Items[i].Name, nil
		}
	}
	if len(pods.Items) > 0 {
		return "", fmt.Errorf("none of the server's pods in namespace %s is ready: inquest why %s -n %s says why", f.namespace, pods.Items[0].Name, f.namespace)
	}
	return "", fmt.Errorf("there is no server in namespace %s: deploy/server has it run there; name another namespace with -n, or run inquest serve here", f.namespace)
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return pod.DeletionTimestamp == nil
		}
	}
	return false
}

// to forwards to a pod until the way breaks off. As kubectl does, it goes by WebSockets, or by SPDY where a server knows no other.
func (f *forward) to(ctx context.Context, pod string, ready func()) error {
	client, err := coreclient.NewForConfig(f.config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	at := client.RESTClient().Post().Resource("pods").Namespace(f.namespace).Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, at)
	sockets, err := portforward.NewSPDYOverWebsocketDialerForStreaming(at, f.config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	dialer := portforward.NewFallbackDialerForStreaming(sockets, old, func(err error) bool {
		return strings.Contains(err.Error(), "unable to upgrade") || strings.Contains(err.Error(), "bad handshake")
	})
	leads := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", serverPort)}, leads, io.Discard, io.Discard)
	if err != nil {
		return fmt.Errorf("forward a port to pod %s: %w", pod, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case err = <-ended:
	case <-leads:
		var ports []portforward.ForwardedPort
		if ports, err = forwarder.GetPorts(); err == nil {
			f.port.Store(int32(ports[0].Local))
			ready()
			err = <-ended
		}
	}
	if err != nil {
		return fmt.Errorf("forward a port to pod %s: %w", pod, err)
	}
	return nil
}
