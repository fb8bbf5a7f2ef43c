// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A cloudEvent is the envelope of what a webhook is sent (CloudEvents 1.0, structured content mode). Source and id
// together are the same each time it is tried.
type cloudEvent struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject,omitempty"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
	Data        eventData `json:"data"`
}

// eventData tells of an incident. Texts are as they are printed on a terminal: visible, and on one line.
type eventData struct {
	Incident   string    `json:"incident"`
	State      string    `json:"state"` // open, quiet or closed
	Reopened   int       `json:"reopened"`
	Cluster    string    `json:"cluster,omitempty"`
	Rule       string    `json:"rule"` // undetermined where none explains it
	Confidence string    `json:"confidence,omitempty"`
	Severity   string    `json:"severity"`
	Summary    string    `json:"summary"`
	Kind       string    `json:"kind,omitempty"` // of the thing that the cause is about
	Namespace  string    `json:"namespace,omitempty"`
	Name       string    `json:"name,omitempty"`
	Container  string    `json:"container,omitempty"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Deaths     int       `json:"deaths"`
	Pods       int       `json:"pods"`
	Namespaces []string  `json:"namespaces,omitempty"`
	Nodes      []string  `json:"nodes,omitempty"`
	Workloads  []string  `json:"workloads,omitempty"`
	Fix        string    `json:"fix,omitempty"`
	Command    string    `json:"command,omitempty"`
	Link       string    `json:"link,omitempty"`
}

func (m *message) event() cloudEvent {
	in := &m.in
	name := func(s string) string { return line(s, 2*maxName) }
	names := func(all []string) []string {
		out := make([]string, len(all))
		for i, s := range all {
			out[i] = name(s)
		}
		return out
	}
	subject := []string{in.Thing.Kind, in.Thing.Name}
	if in.Thing.Namespace != "" {
		subject = []string{in.Thing.Namespace, in.Thing.Kind, in.Thing.Name}
	}
	return cloudEvent{
		SpecVersion: "1.0", ID: m.key, Source: "/clusters/" + name(m.uid), Type: "io.kubeinquest.incident." + m.what,
		Subject: name(strings.Trim(strings.Join(subject, "/"), "/")), Time: m.at.UTC(), ContentType: "application/json",
		Data: eventData{
			Incident: in.ID, State: in.State.String(), Reopened: in.Reopened, Cluster: m.cluster, Rule: name(rule(in.Rule)),
			Confidence: name(in.Confidence), Severity: severity(in), Summary: m.sentence,
			Kind: name(in.Thing.Kind), Namespace: name(in.Thing.Namespace), Name: name(in.Thing.Name), Container: name(in.Thing.Container),
			First: in.First.UTC(), Last: in.Last.UTC(), Deaths: in.Deaths, Pods: in.Pods,
			Namespaces: names(in.Namespaces), Nodes: names(in.Nodes), Workloads: names(in.Workloads),
			Fix: m.fix, Command: m.command, Link: m.link,
		},
	}
}

// webhook sends each message by itself, signed: who has the key can tell that it is ours, and by its time that nobody
// kept it to send it again.
func webhook(target *Target, patience time.Duration) sender {
	http := client(target.Private, patience)
	return func(ctx context.Context, messages []*message) error {
		for _, m := range messages {
			body, err := json.Marshal(m.event())
			if err != nil {
				return fmt.Errorf("write an event: %w", err)
			}
			stamp := strconv.FormatInt(time.Now().Unix(), 10)
			err = post(ctx, http, target.url.String(), map[string]string{
				"Content-Type":      "application/cloudevents+json; charset=utf-8",
				"Idempotency-Key":   m.key,
				"Inquest-Timestamp": stamp,
				"Inquest-Signature": "v1=" + sign(target.key, stamp, body),
			}, body)
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// sign returns HMAC-SHA256 over the time, a full stop and the body, in hexadecimal digits.
func sign(key []byte, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
