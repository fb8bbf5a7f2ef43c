// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A State says how far an act has come.
type State string

// The states. What stays begun was interrupted, and of what is lost no answer came: the object tells whether it was written.
const (
	Begun   State = "begun"
	Applied State = "applied"
	Failed  State = "failed"
	Lost    State = "lost"
)

// A Record is an act: who did what to which object, on which proof, and what undoes it. It is one line of the journal for
// each state; the last one counts.
type Record struct {
	ID         string              `json:"id"`
	At         time.Time           `json:"at"`
	State      State               `json:"state"`
	Why        string              `json:"why,omitempty"` // it failed, or is lost
	By         string              `json:"by,omitempty"`  // as the API server knows whoever did it
	Cluster    string              `json:"cluster,omitempty"`
	Object     Object              `json:"object"`
	Title      string              `json:"title"`
	Risk       string              `json:"risk"`
	Rule       string              `json:"rule,omitempty"`
	Confidence string              `json:"confidence,omitempty"`
	Cause      string              `json:"cause,omitempty"` // the finding in a sentence
	Facts      []string            `json:"facts,omitempty"` // what it rests on
	Lived      metav1.Duration     `json:"lived,omitzero"`  // the longest that an attempt lived which that cause ended
	Type       diagnosis.PatchType `json:"type"`
	Patch      json.RawMessage     `json:"patch"`
	Before     string              `json:"before"`          // the resource version that was planned for
	After      string              `json:"after,omitempty"` // that which came of it
	Undo       Undo                `json:"undo"`
	Undoes     string              `json:"undoes,omitempty"` // the act that this one undoes
}

// An Object names the object of a record.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// Ref names the object.
func (o Object) Ref() evidence.Ref { return evidence.RefTo(o.Kind, o.Namespace, o.Name) }

// record begins one of a plan.
func (c *Cluster) record(ctx context.Context, plan *Plan) *Record {
	patch := plan.Fix.Patch
	r := &Record{
		ID: c.newID(), At: c.Now().UTC(), State: Begun, By: c.who(ctx), Title: plan.Fix.Title, Risk: plan.Fix.Risk.String(),
		Object: Object{patch.Target.Kind, patch.Target.Namespace, patch.Target.Name, string(plan.Live.GetUID())},
		Type:   patch.Type, Patch: json.RawMessage(patch.Data), Before: plan.Live.GetResourceVersion(), Undo: plan.Undo,
	}
	if of := plan.Undoes; of != nil {
		r.Rule, r.Undoes = of.Rule, of.ID
	}
	if f := plan.Finding; f != nil {
		r.Rule, r.Confidence, r.Cause, r.Lived = f.Rule.ID, f.Confidence.String(), f.Message, metav1.Duration{Duration: plan.Lived}
		for _, fact := range f.Facts {
			r.Facts = append(r.Facts, fact.Source.String()+": "+fact.Text)
		}
	}
	return r
}

// A Journal is a file with a line of JSON for each state of each act. Only its owner may read it: an undo holds what was
// set before.
type Journal struct {
	File    string
	Cluster string // what the records call the cluster
}

// Write adds a record, and returns when it is on disk.
func (j *Journal) Write(r *Record) error {
	r.Cluster = j.Cluster
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the audit line of %s: %w", named(r.Object.Ref()), err)
	}
	if err := os.MkdirAll(filepath.Dir(j.File), 0o700); err != nil {
		return fmt.Errorf("write the audit file: %w", err)
	}
	if info, err := os.Stat(j.File); err == nil && !info.Mode().IsRegular() { // a device would be closed to others below
		return fmt.Errorf("write the audit file: %s is no regular file, and without one nothing could be undone: name another with --audit-file", j.File)
	}
	f, err := os.OpenFile(j.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the audit file: %w", err)
	}
	line = append(line, '\n')
	if torn(j.File) {
		line = append([]byte{'\n'}, line...)
	}
	if err = f.Chmod(0o600); err == nil { // it has values of objects, also where somebody made the file before
		_, err = f.Write(line)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the audit file %s: %w", j.File, err)
	}
	return nil
}

// torn tells whether the last line of a file has no end, as of a disk that was full: what is added to it could not be read.
func torn(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

// mostLine is how long a line may be: objects have 1.5 MiB at most (etcd --max-request-bytes).
const mostLine = 8 << 20

// Find returns the last state of an act, by its id.
func (j *Journal) Find(id string) (*Record, error) {
	data, err := os.Open(j.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no audit file %s, so nothing is known that could be undone", j.File)
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit file: %w", err)
	}
	defer data.Close()
	lines := bufio.NewScanner(data)
	lines.Buffer(nil, mostLine)
	var found *Record
	for lines.Scan() {
		var r Record
		if json.Unmarshal(bytes.TrimSpace(lines.Bytes()), &r) == nil && r.ID == id {
			found = &r
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the audit file %s: %w", j.File, err)
	}
	if found == nil {
		return nil, fmt.Errorf("the audit file %s has no act %s", j.File, id)
	}
	return found, nil
}
