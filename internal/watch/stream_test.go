// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// server answers each request with the next of its answers, and remembers what was asked. The last answer stays open.
type server struct {
	answers []string
	asked   []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, asked(r.URL.Query()))
	if len(s.answers) == 0 {
		reader, _ := io.Pipe() // says nothing
		return response(r, http.StatusOK, reader), nil
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	status := http.StatusOK
	if _, err := fmt.Sscanf(answer, "%d ", &status); err == nil {
		answer = answer[4:]
	}
	return response(r, status, io.NopCloser(strings.NewReader(answer))), nil
}

func response(r *http.Request, status int, body io.ReadCloser) *http.Response {
	return &http.Response{
		StatusCode: status, Body: body, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
}

// asked tells the kind of a request and the version it goes on from.
func asked(q url.Values) string {
	switch {
	case q.Get("sendInitialEvents") == "true":
		return "stream"
	case q.Get("watch") == "true":
		return "watch from " + q.Get("resourceVersion")
	}
	return "list " + q.Get("continue")
}

// event returns one of a watch. The version of a bookmark with "!" is that of the end of all there are.
func event(kind, name, version string) string {
	note := ""
	if v, end := strings.CutSuffix(version, "!"); end {
		version, note = v, `,"annotations":{"k8s.io/initial-events-end":"true"}`
	}
	return fmt.Sprintf(`{"type":%q,"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"resourceVersion":%q%s}}}`+"\n", kind, name, version, note)
}

func status(code int, reason string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Status","status":"Failure","code":%d,"reason":%q}`, code, reason)
}

const (
	begins = "begin "
	synced = "in step "
)

func TestStream(t *testing.T) {
	all := event("ADDED", "a", "5") + event("BOOKMARK", "", "7!")
	tests := []struct {
		name    string
		answers []string
		told    string
		asked   []string
	}{
		{
			"all there are, then changes", []string{all + event("MODIFIED", "a", "8") + event("DELETED", "a", "9")},
			begins + "+a " + synced + "~a -a " + synced, []string{"stream", "watch from 9"},
		},
		{
			"it breaks off before all were there", []string{event("ADDED", "a", "5"), all},
			begins + "+a broken " + begins + "+a " + synced + synced, []string{"stream", "stream", "watch from 7"},
		},
		{
			"the version to go on from is gone", []string{all, `{"type":"ERROR","object":` + status(410, "Expired") + "}\n", all},
			begins + "+a " + synced + synced + "broken " + begins + "+a " + synced + synced, []string{"stream", "watch from 7", "stream", "watch from 7"},
		},
		{
			"it cannot stream a list", []string{"422 " + status(422, "Invalid"), `{"apiVersion":"v1","kind":"PodList","metadata":{"resourceVersion":"3","continue":"more"},"items":[{"metadata":{"name":"a"}}]}`,
				`{"apiVersion":"v1","kind":"PodList","metadata":{"resourceVersion":"3"},"items":[{"metadata":{"name":"b"}}]}`, event("MODIFIED", "b", "4")},
			begins + begins + "+a +b " + synced + "~b " + synced, []string{"stream", "list ", "list more", "watch from 3", "watch from 4"},
		},
		{
			"it is down for a while", []string{all, "503 " + status(503, "ServiceUnavailable"), event("MODIFIED", "a", "8")},
			begins + "+a " + synced + "broken " + synced + "~a " + synced, []string{"stream", "watch from 7", "watch from 7", "watch from 8"},
		},
		{
			"a bookmark, and then a change", []string{all + event("MODIFIED", "a", "8") + event("BOOKMARK", "", "12"), event("BOOKMARK", "", "14") + event("MODIFIED", "a", "15")},
			begins + "+a " + synced + "~a " + synced + "~a " + synced, []string{"stream", "watch from 12", "watch from 15"},
		},
		{
			"a bookmark before all were there", []string{event("ADDED", "a", "5") + event("BOOKMARK", "", "6"), all},
			begins + "+a broken " + begins + "+a " + synced + synced, []string{"stream", "stream", "watch from 7"},
		},
		{
			"garbage", []string{all, "{{{\n"},
			begins + "+a " + synced + synced + "broken " + synced, []string{"stream", "watch from 7", "watch from 7"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &server{answers: tt.answers}
				told, err := runStream(t, api, time.Minute)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				if diff := cmp.Diff(tt.told, told); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(tt.asked, api.asked); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestStreamQuiet holds that a watch that says nothing, as one of an API server that hangs, is begun again.
func TestStreamQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &server{answers: []string{event("BOOKMARK", "", "7!") + event("BOOKMARK", "", "8")}}
		told, err := runStream(t, api, 2*quiet)
		if want := begins + synced + synced + "broken " + synced; told != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v; want %q", told, err, want)
		}
	})
}

// TestStreamStalls holds that one whose first objects stop coming is told of once and begun again, also where a list hangs.
func TestStreamStalls(t *testing.T) {
	for _, answer := range []string{"", "422 " + status(422, "Invalid")} {
		synctest.Test(t, func(t *testing.T) {
			api := &stalling{first: answer}
			told, err := runStream(t, api, 4*quiet)
			if strings.Count(told, "broken ") != 1 || strings.Contains(told, synced) || api.asked < 3 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%q after %d requests, %v: expected that it is broken, once, and asked again", told, api.asked, err)
			}
		})
	}
}

// stalling answers with an object or a status, and then with nothing.
type stalling struct {
	first string
	asked int
}

func (s *stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.asked++; s.first != "" && r.URL.Query().Get("sendInitialEvents") != "" {
		return response(r, http.StatusUnprocessableEntity, io.NopCloser(strings.NewReader(s.first[4:]))), nil
	}
	if s.first != "" {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	reader, writer := io.Pipe()
	go func() {
		_, _ = io.WriteString(writer, event("ADDED", "a", "5"))
		<-r.Context().Done()
		_ = writer.CloseWithError(r.Context().Err())
	}()
	return response(r, http.StatusOK, reader), nil
}

// TestStreamSilent holds that a kind of which no bookmarks come, as Events, is not taken for broken when nothing happens.
func TestStreamSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &server{answers: []string{event("BOOKMARK", "", "7!")}}
		told, err := runStream(t, api, 10*quiet)
		if want := begins + synced + synced; told != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v; want %q", told, err, want)
		}
		if diff := cmp.Diff([]string{"stream", "watch from 7"}, api.asked); diff != "" {
			t.Error(diff)
		}
	})
}

// TestStreamHangs holds that a watch of which not even the beginning comes is begun again.
func TestStreamHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &server{}
		told, err := runStream(t, api, 2*quiet)
		if want := begins + "broken " + begins; told != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v; want %q", told, err, want)
		}
	})
}

// TestStreamShort holds that a watch which ends as soon as it has begun is not begun again at once.
func TestStreamShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &server{answers: slices.Repeat([]string{event("BOOKMARK", "", "7!")}, 1000)}
		if _, err := runStream(t, api, time.Minute); !errors.Is(err, context.DeadlineExceeded) || len(api.asked) > 2*60+2 {
			t.Errorf("%d requests in a minute, %v", len(api.asked), err)
		}
	})
}

// TestStreamForbiddenLater holds that nothing is heard from when going on was forbidden, as after a watch that ended as each does.
func TestStreamForbiddenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, err := runStream(t, &server{answers: []string{event("BOOKMARK", "", "7!"), "403 " + status(403, "Forbidden")}}, time.Minute)
		if want := begins + synced + "broken "; told != want || !apierrors.IsForbidden(err) {
			t.Errorf("%q, %v; want %q, and that it is forbidden", told, err, want)
		}
	})
}

func TestStreamForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := runStream(t, &server{answers: []string{"403 " + status(403, "Forbidden")}}, time.Minute)
		if !apierrors.IsForbidden(err) {
			t.Errorf("%v: expected that it is forbidden", err)
		}
	})
}

// TestStreamMarks: where bookmarks come of a kind, silence before the first one, and a connection that timed out, is told of.
func TestStreamMarks(t *testing.T) {
	for _, marks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			told, s := streamOf(t, &server{answers: []string{event("BOOKMARK", "", "7!")}})
			s.Marks = marks
			ctx, cancel := context.WithTimeout(t.Context(), 2*quiet)
			defer cancel()
			err := s.Run(ctx)
			if strings.Contains(*told, "broken") != marks || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("marks %v: %q, %v", marks, *told, err)
			}
		})
	}
}

// runStream follows pods for a time and returns what it told of.
func runStream(t *testing.T, api http.RoundTripper, during time.Duration) (string, error) {
	t.Helper()
	told, s := streamOf(t, api)
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	err := s.Run(ctx)
	return *told, err
}

// streamOf returns a stream of pods, and what it tells of.
func streamOf(t *testing.T, api http.RoundTripper) (*string, *Stream) {
	t.Helper()
	client, err := rest.RESTClientForConfigAndClient(&rest.Config{
		Host: "http://api.test", APIPath: "/api",
		ContentConfig: rest.ContentConfig{GroupVersion: &schema.GroupVersion{Version: "v1"}, NegotiatedSerializer: scheme.Codecs.WithoutConversion()},
	}, &http.Client{Transport: api})
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	marks := map[apiwatch.EventType]string{apiwatch.Added: "+", apiwatch.Modified: "~", apiwatch.Deleted: "-"}
	return &told, &Stream{
		Client: client, Resource: "pods", Now: time.Now,
		See:    func(kind apiwatch.EventType, o evidence.Object) { told += marks[kind] + o.GetName() + " " },
		Begin:  func() { told += begins },
		InStep: func() { told += synced },
		Broken: func(time.Time, error) { told += "broken " },
	}
}
