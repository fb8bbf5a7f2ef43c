// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const taken = 1_750_000_000

// minutes are values of a series, the last at the time of the question.
func minutes(labels string, values ...any) string {
	var list []string
	for i, v := range values {
		list = append(list, fmt.Sprintf(`[%d,"%v"]`, taken-60*(len(values)-1-i), v))
	}
	return fmt.Sprintf(`{"metric":{"namespace":"shop","pod":"web-5d4c8b7f9-bcd2f","container":"app"%s},"values":[%s]}`, labels, strings.Join(list, ","))
}

// using serves an answer for each question that has one of these words in it, and none for others.
func using(t *testing.T, all ...map[string]string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, result := "vector", ""
		if strings.HasSuffix(r.URL.Path, "query_range") {
			kind = "matrix"
		}
		for _, answers := range all {
			for word, answer := range answers {
				if strings.Contains(r.FormValue("query"), word) {
					result = answer
				}
			}
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[%s]}}`, kind, result)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A run is what was measured of one.
type run struct {
	Began  int64
	Values []float64
}

func runsOf(all []Measured) (list []run) {
	for _, m := range all {
		r := run{}
		if !m.Began.IsZero() {
			r.Began = m.Began.Unix()
		}
		for _, step := range m.Steps {
			r.Values = append(r.Values, step.Value)
		}
		list = append(list, r)
	}
	return list
}

// TestUsage: each run has its beginning, by the kubelet or kube-state-metrics, and what is of two runs is of the first.
func TestUsage(t *testing.T) {
	const began, again = taken - 3000, taken - 90
	memory := map[string]string{"max_over_time(container_memory": minutes("", 900, 900, 100, 100)}
	for name, c := range map[string]struct {
		answers   map[string]string
		want      []run
		throttled float64
		counted   bool
	}{
		"nothing tells":                   {nil, []run{{0, []float64{900, 900, 100, 100}}}, 0, false},
		"the kubelet":                     {map[string]string{"container_start_time_seconds": minutes(`,"__name__":"container_start_time_seconds"`, began, began, again, again)}, []run{{began, []float64{900, 900, 100}}, {again, []float64{100}}}, 0, false},
		"another container":               {map[string]string{"container_start_time_seconds": minutes(`,"id":"/other"`, began, began, again, again)}, []run{{0, []float64{900, 900, 100, 100}}}, 0, false},
		"of the future":                   {map[string]string{"container_start_time_seconds": minutes("", taken+5, taken+5, taken+5, taken+5)}, []run{{0, []float64{900, 900, 100, 100}}}, 0, false},
		"the state":                       {map[string]string{"kube_pod_container_state_started": minutes(`,"instance":"ksm"`, began, began, began, began)}, []run{{began, []float64{900, 900, 100, 100}}}, 0, false},
		"a limit":                         {map[string]string{"throttled_periods_total": vector("", "0.4")}, []run{{0, []float64{900, 900, 100, 100}}}, 0.4, true},
		"a limit that holds nothing back": {map[string]string{"throttled_periods_total": vector("", "0")}, []run{{0, []float64{900, 900, 100, 100}}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			used, err := Prometheus{URL: using(t, memory, c.answers), Window: time.Hour}.Usage(t.Context(), web, "app", time.Unix(taken, 0))
			if err != nil {
				t.Fatal(err)
			}
			got := runsOf(used.Memory)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
			if used.Throttled != c.throttled || used.Counted != c.counted {
				t.Errorf("throttled %v, counted %v", used.Throttled, used.Counted)
			}
		})
	}
}

// TestUnanswered: what may be mended by asking again is told from a mistake in the address.
func TestUnanswered(t *testing.T) {
	for status, want := range map[int]bool{http.StatusServiceUnavailable: true, http.StatusInternalServerError: true, http.StatusNotFound: false, http.StatusUnauthorized: false, 0: true} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) }))
		if status == 0 {
			s.Close()
		}
		_, err := Prometheus{URL: s.URL, Window: time.Hour}.Usage(t.Context(), web, "app", time.Unix(taken, 0))
		if _, is := errors.AsType[*UnansweredError](err); is != want || err == nil {
			t.Errorf("%d: %v: may be asked again: %v", status, err, is)
		}
		s.Close()
	}
}
