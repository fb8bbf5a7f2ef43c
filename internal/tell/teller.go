// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/history"
)

// A Teller tells targets what the outbox of a history has for them. One at a time is to run for each cluster.
type Teller struct {
	Store   *history.Store
	Cluster string // UID, as in the history
	Config  *Config
	Chat    []string      // the program that speaks to chats: its path and arguments
	Wait    time.Duration // for an answer of Alertmanager or a webhook; 10 seconds where it is 0
	Meter   *Meter
	Log     *slog.Logger
	Now     func() time.Time
}

// Names are the targets as the options of a history take them.
func (c *Config) Names() []string {
	names := make([]string, len(c.Targets))
	for i := range c.Targets {
		names[i] = c.Targets[i].Name
	}
	return names
}

// A sender delivers messages to one target: all of them or, as far as the program knows, none.
type sender func(context.Context, []*message) error

const (
	// lease is how long a notice is not handed out again: longer than any sender takes for what it is given at once.
	lease = 2 * time.Minute
	// look is how often is looked for what is due.
	look = time.Second
	// mostTries is when a notice is given up: after a day.
	mostTries = 58
)

// A course is how one target is told.
type course struct {
	*Teller
	target *Target
	send   sender
	most   int    // messages in one call
	pace   bucket // of calls
	alerts bool   // what is open is told again and again

	failures int       // since it was told last
	rest     time.Time // until when it is left alone
}

func (t *Teller) course(target *Target) *course {
	c := &course{Teller: t, target: target, most: 1, pace: bucket{burst: 20, every: 100 * time.Millisecond}}
	switch target.Kind {
	case kindAlertmanager:
		c.send, c.most, c.alerts = alertmanager(target, t.patience()), mostAlerts, true
	case kindWebhook:
		c.send = webhook(target, t.patience())
	case kindChat:
		c.send, c.most, c.pace = chat(target, t.Chat), 100, bucket{burst: 5, every: 12 * time.Second}
	}
	return c
}

func (t *Teller) patience() time.Duration { return cmp.Or(t.Wait, patience) }

// Run tells until the context ends.
func (t *Teller) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for i := range t.Config.Targets {
		group.Go(func() { t.course(&t.Config.Targets[i]).run(ctx) })
	}
	group.Wait()
	<-ctx.Done()
	return ctx.Err()
}

func (c *course) run(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var again time.Time
	for {
		if err := c.deliver(ctx); err != nil && ctx.Err() == nil {
			c.Log.Error("what is to be told could not be read", "target", c.target.Name, "err", err)
		}
		if now := c.Now(); c.alerts && !now.Before(again) && !now.Before(c.rest) && ctx.Err() == nil {
			again = now.Add(resend)
			c.repeat(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// deliver tells what is due, as fast as the target is to be told.
func (c *course) deliver(ctx context.Context) error {
	for c.pace.ready(c.Now()) && !c.Now().Before(c.rest) && ctx.Err() == nil {
		waiting, due, err := c.Store.Untaken(ctx)
		if err != nil || waiting == 0 || due.After(c.Now()) {
			return err
		}
		notices, err := c.Store.Take(ctx, c.Cluster, c.target.Name, c.most, lease)
		if err != nil || len(notices) == 0 {
			return err
		}
		if err := c.tell(ctx, notices); err != nil {
			return err
		}
	}
	return nil
}

// tell sends notices, and acknowledges them or gives them back.
func (c *course) tell(ctx context.Context, notices []history.Notice) error {
	batch, stale, err := c.batch(ctx, notices)
	if err != nil {
		return err
	}
	if len(stale) > 0 {
		if err := c.Store.Told(ctx, stale...); err != nil {
			return err
		}
	}
	for len(batch) > 0 {
		n := c.portion(len(batch))
		if c.Now().Before(c.rest) { // it failed with the first of them
			return c.later(ctx, batch)
		}
		c.pace.take(c.Now())
		if err := c.portioned(ctx, batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// portion is how many messages go into one call: a chat is told one by one as long as its pace allows, and then the rest
// in one digest.
func (c *course) portion(waiting int) int {
	if c.target.Kind == kindChat && waiting <= c.pace.left(c.Now()) {
		return 1
	}
	return waiting
}

// later gives back what was not tried.
func (c *course) later(ctx context.Context, batch []parcel) error {
	for _, p := range batch {
		for _, n := range p.notices {
			if err := c.Store.Untold(ctx, n, "the target did not take what came before", c.rest.Sub(c.Now())); err != nil {
				return err
			}
		}
	}
	return nil
}

// A parcel is a message and the notices that it answers.
type parcel struct {
	*message
	notices []history.Notice
}

// batch makes one message for each incident; stale are notices that need none any more.
func (c *course) batch(ctx context.Context, notices []history.Notice) (batch []parcel, stale []history.Notice, err error) {
	placed := map[string]int{} // by incident, its place in the batch
	for _, n := range notices {
		m, err := c.compose(ctx, n)
		if errors.Is(err, errEnds) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if m == nil {
			stale = append(stale, n)
			continue
		}
		n.Pods = m.in.Pods
		i, found := placed[n.Incident]
		if !found {
			placed[n.Incident] = len(batch)
			batch = append(batch, parcel{m, []history.Notice{n}})
			continue
		}
		batch[i].notices = append(batch[i].notices, n) // the first says more: that it opened
	}
	return batch, stale, nil
}

// portioned sends messages in one call.
func (c *course) portioned(ctx context.Context, parcels []parcel) error {
	messages, notices := make([]*message, len(parcels)), []history.Notice(nil)
	for i, p := range parcels {
		messages[i], notices = p.message, append(notices, p.notices...)
	}
	err := c.send(ctx, messages)
	if part, ok := errors.AsType[*partError](err); ok {
		c.Log.Warn("a target was told in part", "target", c.target.Name, "err", part)
		err = nil
	}
	c.heed(err)
	if err == nil { // that is kept also where this program ends meanwhile
		c.Meter.told(c.target.Name, len(messages), nil)
		keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return c.Store.Told(keep, notices...)
	}
	if ctx.Err() != nil {
		return ctx.Err() // it may have been told: it is told again, with the same key
	}
	c.Meter.told(c.target.Name, len(messages), err)
	c.Log.Warn("a target was not told", "target", c.target.Name, "messages", len(messages), "tries", notices[0].Tries, "err", err)
	for _, n := range notices {
		if kept := c.giveBack(ctx, n, err); kept != nil {
			return kept
		}
	}
	return nil
}

// giveBack has a notice tried again, for a day.
func (c *course) giveBack(ctx context.Context, n history.Notice, why error) error {
	if n.Tries < mostTries {
		return c.Store.Untold(ctx, n, why.Error(), pauseIn(why))
	}
	c.Log.Error("a target could not be told for a day", "target", c.target.Name, "incident", n.Incident, "state", n.State.String())
	return c.Store.Told(ctx, n)
}

// longestRest is for how long a target is left alone that does not ask for more.
const longestRest = time.Minute

// heed has a target left alone that failed, for longer each time, and for as long as it asked: what else there is to tell would
// fail as well, and who is asked to wait and does not is locked out. What waited for one that is well again need not wait long.
func (c *course) heed(err error) {
	if err == nil {
		c.failures = 0
		return
	}
	pause := min(time.Second<<min(c.failures, 6), longestRest)
	c.failures++
	c.rest = c.Now().Add(max(pause, min(pauseIn(err), longestPause)))
}

// longestPause is for how long a target may ask to be left alone.
const longestPause = 30 * time.Minute

// pauseIn returns how long a target asked to be left alone.
func pauseIn(err error) time.Duration {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.pause
	}
	return 0
}

// repeat tells Alertmanager again of what it was told is open.
func (c *course) repeat(ctx context.Context) {
	var after int64
	for {
		open, next, err := c.Store.Heard(ctx, c.Cluster, c.target.Name, after, mostAlerts)
		if err != nil || len(open) == 0 {
			if err != nil && ctx.Err() == nil {
				c.Log.Error("what is open could not be read", "target", c.target.Name, "err", err)
			}
			return
		}
		messages := make([]*message, len(open))
		for i, in := range open {
			messages[i] = c.messageOf(ctx, in)
		}
		err = c.send(ctx, messages)
		if c.heed(err); err != nil {
			if ctx.Err() == nil {
				c.Meter.told(c.target.Name, len(messages), err)
				c.Log.Warn("a target was not told again", "target", c.target.Name, "messages", len(messages), "err", err)
			}
			return
		}
		after = next
	}
}

// A bucket bounds how often something is done: so many times at once, and then once every while.
type bucket struct {
	burst int
	every time.Duration
	full  time.Time // when all of it may be used again
}

// left is how many times it may be done by now.
func (b *bucket) left(now time.Time) int {
	lacking := int((max(b.full.Sub(now), 0) + b.every - 1) / b.every)
	return max(b.burst-lacking, 0)
}

func (b *bucket) ready(now time.Time) bool { return b.left(now) > 0 }

func (b *bucket) take(now time.Time) {
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(b.every)
}
