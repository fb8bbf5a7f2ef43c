// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// answering is how long an answer to a change is waited for: by then an API server has ended it (kube-apiserver
	// --request-timeout is a minute by default).
	answering = 70 * time.Second
	// settling is how long the object is looked at where the answer to its change was lost, and glancing how often.
	settling = 10 * time.Second
	glancing = time.Second
)

// A LostError says that a change was sent, and that it is not known whether the API server has made it. The journal has its undo.
type LostError struct {
	Record *Record
	err    error
}

// Error names the object and the act, and says what is not known.
func (e *LostError) Error() string {
	return fmt.Sprintf("it is not known whether %s was changed (act %s): %v", named(e.Record.Object.Ref()), e.Record.ID, e.err)
}

// Unwrap returns why it is not known.
func (e *LostError) Unwrap() error { return e.err }

// A sentError is what came instead of an answer to a change that was sent for one state of an object.
type sentError struct {
	held string // the resource version that the change holds for
	err  error
}

func (e *sentError) Error() string { return e.err.Error() }
func (e *sentError) Unwrap() error { return e.err }

// Once keeps a client from sending a change again that may have been made: client-go repeats a request of any verb that is answered with a
// status of 5xx and Retry-After (rest/with_retry.go), and the second would be refused for what the first has changed.
func Once(next http.RoundTripper) http.RoundTripper { return once{next} }

type once struct{ next http.RoundTripper }

// RoundTrip sends a request.
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodPatch && answer.StatusCode >= http.StatusInternalServerError {
		answer.Header.Del("Retry-After")
	}
	return answer, err
}

// unanswered tells whether an error leaves open if the API server has made a change: one that is no answer at all, or one
// that the server gives when it does not know itself, as of a store that took too long.
func unanswered(err error) bool {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return false // nobody was there to send it to
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code >= http.StatusInternalServerError || code == http.StatusRequestTimeout
}

// lookUp finds out what came of a change whose answer was lost. It returns the object where it shows the change, an error where the
// change was not made and will not be, and a *sentError where that is not known.
func (c *Cluster) lookUp(ctx context.Context, plan *Plan, lost *sentError) (*unstructured.Unstructured, error) {
	// Whoever stops the program here is to be told what has become of the object, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	tick := time.NewTicker(glancing)
	defer tick.Stop()
	target, ops := plan.Fix.Patch.Target, changes(plan.Live, plan.Would)
	unread := error(nil)
	for {
		live, err := c.of(target).Get(ctx, target.Name, metav1.GetOptions{})
		switch {
		case err != nil && !apierrors.IsNotFound(err):
			if ctx.Err() == nil {
				unread = err
			}
		case err != nil || live.GetUID() != plan.Live.GetUID():
			return nil, moved(plan.Live, live, err).err()
		case live.GetResourceVersion() == lost.held:
			unread = nil // it may be changed yet
		default:
			if at, _ := strays(live.Object, ops); at != "" {
				return nil, fmt.Errorf("patch %s: %w; it was read again and does not have the change", named(target), lost.err)
			}
			return live, nil
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		if unread != nil {
			return nil, &sentError{lost.held, fmt.Errorf("%w; and it could not be read again: %w", lost.err, unread)}
		}
		return nil, &sentError{lost.held, fmt.Errorf("%w; within %s it did not show the change", lost.err, settling)}
	}
}
