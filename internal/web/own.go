// SPDX-License-Identifier: Apache-2.0

package web

import (
	"cmp"
	"context"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// An ownPart is what the history has of one cluster: several may share it, and who is let in by the word of one has no say in another.
type ownPart struct {
	*history.Store
	cluster string // "" for all
}

func (c *Console) own() ownPart { return ownPart{c.Store, c.Cluster} }

func (k ownPart) Incidents(ctx context.Context, f history.Filter) (history.Incidents, error) {
	f.Cluster = cmp.Or(k.cluster, f.Cluster)
	return k.Store.Incidents(ctx, f)
}

func (k ownPart) Deaths(ctx context.Context, f history.Filter) (history.Deaths, error) {
	f.Cluster = cmp.Or(k.cluster, f.Cluster)
	return k.Store.Deaths(ctx, f)
}

func (k ownPart) Heat(ctx context.Context, f history.Filter) ([]history.Cell, error) {
	f.Cluster = cmp.Or(k.cluster, f.Cluster)
	return k.Store.Heat(ctx, f)
}

func (k ownPart) Count(ctx context.Context, f history.Filter) (history.Count, error) {
	f.Cluster = cmp.Or(k.cluster, f.Cluster)
	return k.Store.Count(ctx, f)
}

func (k ownPart) EventsOf(ctx context.Context, cluster string, about evidence.Ref, from, to time.Time, allowed []string, limit int, reasons ...string) ([]history.Event, error) {
	return k.Store.EventsOf(ctx, cmp.Or(k.cluster, cluster), about, from, to, allowed, limit, reasons...)
}

func (k ownPart) GapsIn(ctx context.Context, cluster string, from, to time.Time, allowed []string, limit int) ([]history.Gap, error) {
	return k.Store.GapsIn(ctx, cmp.Or(k.cluster, cluster), from, to, allowed, limit)
}

func (k ownPart) Silent(ctx context.Context, cluster string, now, before time.Time) ([]history.Gap, error) {
	return k.Store.Silent(ctx, cmp.Or(k.cluster, cluster), now, before)
}

func (k ownPart) Incident(ctx context.Context, id string, allowed []string) (history.Incident, error) {
	in, err := k.Store.Incident(ctx, id, allowed)
	if err == nil && k.isForeign(in.Cluster) {
		return history.Incident{}, history.ErrNotFound
	}
	return in, err
}

func (k ownPart) Death(ctx context.Context, id int64, allowed []string) (history.Death, error) {
	d, err := k.Store.Death(ctx, id, allowed)
	if err == nil && k.isForeign(d.Cluster) {
		return history.Death{}, history.ErrNotFound
	}
	return d, err
}

func (k ownPart) Report(ctx context.Context, death int64, allowed []string) ([]byte, error) {
	if _, err := k.Death(ctx, death, allowed); err != nil {
		return nil, err
	}
	return k.Store.Report(ctx, death, allowed)
}

func (k ownPart) Bundle(ctx context.Context, death int64, allowed []string) (map[string][]byte, error) {
	if _, err := k.Death(ctx, death, allowed); err != nil {
		return nil, err
	}
	return k.Store.Bundle(ctx, death, allowed)
}

func (k ownPart) Export(ctx context.Context, id string, may history.Narrowing) (history.Export, map[string][]byte, error) {
	if _, err := k.Incident(ctx, id, may.Namespaces); err != nil {
		return history.Export{}, nil, err
	}
	return k.Store.Export(ctx, id, may)
}

func (k ownPart) isForeign(cluster string) bool { return k.cluster != "" && cluster != k.cluster }
