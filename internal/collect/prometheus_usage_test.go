// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
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
		if strings.HasSuffix(r.URL.Path, "series") {
			fmt.Fprint(w, `{"status":"success","data":[]}`)
			return
		}
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
		"what is no number":               {map[string]string{"max_over_time(container_memory": minutes("", 900, "NaN", 100, "+Inf")}, []run{{0, []float64{900, 100}}}, 0, false},
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

// TestUsageInParts: of many pods all are asked about, by parts, and those that are left out are known: the ones beyond the most, and those for which
// there was no time.
func TestUsageInParts(t *testing.T) {
	const most = podsAPart * mostParts
	for name, c := range map[string]struct{ has, silent, read int }{
		"a few": {podsAPart, 2 * most, podsAPart}, "many": {podsAPart + 1, 2 * most, podsAPart + 1}, "too many": {most + 7, 2 * most, most}, "no time": {3 * podsAPart, 2 * podsAPart, 2 * podsAPart},
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			for i := range c.has {
				all = append(all, fmt.Sprintf("web-5d4c8b7f9-%05d", i))
			}
			last := all[len(all)-1] // which alone runs still, so that it comes first
			s := httptest.NewServer(ofPods(all, c.silent))
			defer s.Close()
			used, err := Prometheus{URL: s.URL, Window: time.Hour}.Usage(t.Context(), web, "app", time.Unix(taken, 0))
			if err != nil {
				t.Fatal(err)
			}
			if len(used.Memory) != c.read || len(used.CPU) != c.read || len(used.Left) != c.has-c.read || slices.Contains(used.Left, last) {
				t.Errorf("of %d pods %d are read, and %d left out, %q", c.has, len(used.Memory), len(used.Left), used.Left)
			}
		})
	}
}

// ofPods serves what there is of pods, of which the last alone runs still. What is asked about the silent one is not answered.
func ofPods(all []string, silent int) http.HandlerFunc {
	said := func(w http.ResponseWriter, form string, pods []string, of string) {
		fmt.Fprintf(w, form, each(pods, func(pod string) string { return fmt.Sprintf(of, pod) }))
	}
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.FormValue("query")
		switch {
		case strings.HasSuffix(r.URL.Path, "series") && r.FormValue("start") == strconv.Itoa(taken-600):
			said(w, `{"status":"success","data":[%s]}`, all[len(all)-1:], `{"pod":%q}`)
		case strings.HasSuffix(r.URL.Path, "series"):
			said(w, `{"status":"success","data":[%s]}`, all, `{"pod":%q},{"pod":%[1]q,"id":"2"}`)
		case !strings.HasSuffix(r.URL.Path, "query_range"):
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
		case silent < len(all) && strings.Contains(query, all[silent]+"|"):
			http.Error(w, "no", http.StatusServiceUnavailable)
		default:
			asked := slices.DeleteFunc(slices.Clone(all), func(pod string) bool { return len(all) > podsAPart && !strings.Contains(query, pod) })
			said(w, `{"status":"success","data":{"resultType":"matrix","result":[%s]}}`, asked, `{"metric":{"pod":%q},"values":[[1750000000,"7"]]}`)
		}
	}
}

func each(list []string, of func(string) string) string {
	var all []string
	for _, s := range list {
		all = append(all, of(s))
	}
	return strings.Join(all, ",")
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

// TestRuntimeIn: metrics tell of a runtime where they are of one alone, and of its version where all have the same.
func TestRuntimeIn(t *testing.T) {
	labels := func(metric, version string) string { return fmt.Sprintf(`"__name__":%q,"version":%q`, metric, version) }
	for name, c := range map[string]struct {
		vector string
		want   Runtime
	}{
		"nothing":      {"", Runtime{}},
		"Go":           {vector(labels("go_memstats_sys_bytes", ""), "2", labels("go_info", "go1.24.1"), "2"), Runtime{"Go", "go1.24.1", "go_info"}},
		"a rollout":    {vector(labels("nodejs_version_info", "v18.1.0"), "1", labels("nodejs_version_info", "v20.1.0"), "1"), Runtime{"Node.js", "", "nodejs_version_info"}},
		"two of them":  {vector(labels("go_info", "go1.24.1"), "2", labels("jvm_info", "17"), "2"), Runtime{}},
		"what is none": {vector(labels("python_info", "3.12"), "2"), Runtime{}},
	} {
		p := Prometheus{URL: answering(t, map[string]string{`count by (__name__, version) ({__name__=~"go_info|`: c.vector}), Window: time.Hour}
		got, err := p.Runtime(t.Context(), web, "app", false, time.Unix(taken, 0))
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	alone := Prometheus{URL: answering(t, map[string]string{`container=~"app|"`: vector(labels("go_info", "go1.24.1"), "1")}), Window: time.Hour}
	for _, is := range []bool{false, true} {
		if got, err := alone.Runtime(t.Context(), web, "app", is, time.Unix(taken, 0)); err != nil || (got.Name == "Go") != is {
			t.Errorf("alone %v: %+v, %v", is, got, err)
		}
	}
}
