// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// resend is how often Alertmanager is told again of what is open; Prometheus does so as often.
	resend = time.Minute
	// skew is by how much two clocks may differ.
	skew = time.Minute
	// mostAlerts are sent at once.
	mostAlerts = 64
)

// An alert is what Alertmanager takes (api/v2/openapi.yaml, postableAlert). Its labels are what it is: they do not change
// while the incident lasts.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// alertOf ends after four times as long as it takes to be sent again, so that it outlives an attempt that fails, and
// does not outlive this program.
func (m *message) alertOf() alert {
	in := &m.in
	a := alert{
		Labels: map[string]string{
			"alertname": "InquestIncident", "incident": in.ID, "rule": rule(in.Rule), "severity": severity(in),
			"kind": in.Thing.Kind, "name": in.Thing.Name, "namespace": in.Thing.Namespace, "container": in.Thing.Container, "cluster": m.cluster,
		},
		Annotations: map[string]string{
			"summary": tame(m.sentence), "description": strings.Join(m.tamedBody(), "\n"), "fix": tame(m.fix), "runbook_url": m.page,
		},
		StartsAt: in.First.UTC(), EndsAt: m.at.Add(4 * resend).UTC(), GeneratorURL: m.link,
	}
	if m.what == closed { // Alertmanager heeds an end only if it is past by its own clock
		a.EndsAt = m.at.Add(-skew).UTC()
		if a.EndsAt.Before(a.StartsAt) {
			a.EndsAt = a.StartsAt
		}
	}
	for _, texts := range []map[string]string{a.Labels, a.Annotations} {
		for name, text := range texts {
			if text == "" {
				delete(texts, name)
			}
		}
	}
	for name, text := range a.Labels {
		a.Labels[name] = tame(line(text, 2*maxName))
	}
	return a
}

// alertmanager sends to its v2 API, which leaves silences, routes and inhibition where people have them.
func alertmanager(target *Target, patience time.Duration) sender {
	http := client(target.Private, patience)
	return func(ctx context.Context, messages []*message) error {
		alerts := make([]alert, len(messages))
		for i, m := range messages {
			alerts[i] = m.alertOf()
		}
		body, err := json.Marshal(alerts)
		if err != nil {
			return fmt.Errorf("write alerts: %w", err)
		}
		headers := map[string]string{"Content-Type": "application/json"}
		if len(target.key) > 0 {
			headers["Authorization"] = "Bearer " + string(target.key)
		}
		return post(ctx, http, target.url.JoinPath("api", "v2", "alerts").String(), headers, body)
	}
}

// post sends a body, and tells what is wrong with the answer without the address.
func post(ctx context.Context, c *http.Client, to string, headers map[string]string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("send: %w", anonymous(err))
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", "inquest")
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("send to %s: %w", req.URL.Hostname(), anonymous(err))
	}
	defer resp.Body.Close()
	if err := answered(resp, time.Now()); err != nil {
		return fmt.Errorf("send to %s: %w", req.URL.Hostname(), err)
	}
	return nil
}
