// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/advise/rbac"
	"github.com/kubeinquest/inquest/internal/collect"
)

// auditPolicy reads the audit policy of an API server.
func (p *program) auditPolicy(file string) (*rbac.Policy, error) {
	r := p.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read audit policy: %w", err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read audit policy %s: %w", file, err)
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("read audit policy %s: it has more than the %d MiB that are read: name the policy alone", file, maxManifest>>20)
	}
	policy := &rbac.Policy{}
	if err := collect.DecodeYAML(data, policy); err != nil {
		return nil, fmt.Errorf("read audit policy %s: %w", file, err)
	}
	if err := policy.Validate(); err != nil {
		return nil, fmt.Errorf("read audit policy %s: %w", file, err)
	}
	return policy, nil
}

// log reads all audit logs that were named.
func (o *rbacOptions) log(ctx context.Context, p *program, keep map[string]bool) (*rbac.Log, error) {
	log := &rbac.Log{Keep: keep}
	progress := newProgress(p.ErrOut)
	defer progress.clear()
	for _, name := range o.audit {
		files, err := auditFiles(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			progress.say("reading " + file)
			if err := p.readAudit(ctx, log, file); err != nil {
				return nil, err
			}
		}
	}
	where := strings.Join(o.audit, ", ")
	switch {
	case log.Events == 0 && log.Broken > 0:
		return nil, fmt.Errorf("there is no audit event in %s: %s", where, log.Examples[0])
	case log.Events == 0:
		return nil, fmt.Errorf("there is no audit event in %s: it is empty", where)
	case log.Requests == 0:
		return nil, fmt.Errorf("%s has the stage RequestReceived alone, at which nothing is decided yet: have the audit policy log ResponseComplete", where)
	}
	return log, nil
}

// auditFiles are those of a folder, in order, or the one file.
func auditFiles(name string) ([]string, error) {
	info, err := os.Stat(name)
	if name == "-" || err == nil && !info.IsDir() {
		return []string{name}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = errors.New("there is no file in it")
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit logs in %s: %w", name, err)
	}
	slices.Sort(files)
	return files, nil
}

func (p *program) readAudit(ctx context.Context, log *rbac.Log, file string) error {
	r, name := p.In, "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		defer f.Close()
		r, name = f, file
	}
	return log.Read(name, newStoppable(ctx, r)) // a log can be long
}

// A logSummary is what a log has, and what it lacks.
type logSummary struct {
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Length   string         `json:"length"`
	Events   int            `json:"events"`
	Requests int            `json:"requests"`
	Levels   map[string]int `json:"levels"`
	Stages   map[string]int `json:"stages"`
	Policy   bool           `json:"policy"` // it was given
	Broken   int            `json:"broken,omitempty"`
	Examples []string       `json:"examples,omitempty"` // of broken lines
	Missed   int            `json:"missed,omitempty"`   // requests that were not kept, as there are too many different ones
	Reviews  int            `json:"reviews,omitempty"`  // SubjectAccessReviews without what they ask

	Overflows []string `json:"overflows,omitempty"` // what there was beyond what is kept
}

func summaryOf(a *rbac.Advisor) *logSummary {
	l := a.Log
	if l == nil {
		return nil
	}
	return &logSummary{
		From: l.From.UTC(), To: l.To.UTC(), Length: rbac.Span(l.To.Sub(l.From)), Events: l.Events, Requests: l.Requests, Levels: l.Levels, Stages: l.Stages,
		Policy: a.Policy != nil, Broken: l.Broken, Examples: l.Examples, Missed: l.Missed, Reviews: l.Reviews, Overflows: l.Overflows(),
	}
}
