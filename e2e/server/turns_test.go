// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var (
	rounds = flag.Int("rounds", 4, "how often the replica that leads is killed or stopped")
	turn   = flag.Duration("lease", 10*time.Second, "how long a turn lasts that is not renewed")
)

// ledger has the database itself note who writes, in the order in which it takes it: writers hold a lock until they commit.
const ledger = `
CREATE TABLE acts (id BIGINT GENERATED ALWAYS AS IDENTITY, at TIMESTAMPTZ DEFAULT clock_timestamp(), who TEXT DEFAULT current_setting('application_name'), what TEXT);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO acts (what) VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON deaths FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON events FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON incidents FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON terms FOR EACH ROW EXECUTE FUNCTION note();`

// A crowd are three replicas with one database.
type crowd struct {
	t        *testing.T
	db       *sql.DB
	token    string
	replicas map[string]*replica
	started  int
}

func (c *crowd) start() {
	c.started++
	name := fmt.Sprintf("r%d", c.started)
	c.replicas[name] = serve(c.t, name, c.token, "--db", postgres.url("turns", name), "--lease", "inquest-server/inquest-server", "--lease-duration", turn.String())
}

// leader tells who began the latest term, and when. It is nobody where that one is gone.
func (c *crowd) leader() (who string, at time.Time) {
	c.t.Helper()
	err := c.db.QueryRowContext(c.t.Context(), `SELECT who, at FROM acts WHERE what = 'terms' ORDER BY id DESC LIMIT 1`).Scan(&who, &at)
	if err != nil && err != sql.ErrNoRows {
		c.t.Fatal(err)
	}
	return who, at
}

func (c *crowd) count(query string) (n int) {
	c.t.Helper()
	must(c.t, c.db.QueryRowContext(c.t.Context(), query).Scan(&n))
	return n
}

// A mill has pods end, and knows how often they did.
type mill struct {
	pods   []*corev1.Pod
	counts []int32
}

// grind goes on until the context ends.
func (m *mill) grind(ctx context.Context, t *testing.T) {
	for pause(ctx, 150*time.Millisecond) == nil {
		m.end(t, rand.IntN(len(m.pods)))
	}
}

// end has a pod end once more.
func (m *mill) end(t *testing.T, i int) {
	m.counts[i]++
	control.restarts(t, m.pods[i], m.counts[i])
}

// turns has three replicas, and kills or stops the one that leads, again and again, while pods end: at no time do two
// act, none of the ends is lost or counted twice, and another one takes over within five seconds of the end of the lease.
func turns(t *testing.T) {
	c := &crowd{t: t, db: postgres.create(t, "turns"), token: control.account(t), replicas: map[string]*replica{}}
	c.start() // brings the tables
	_, err := c.db.ExecContext(t.Context(), ledger)
	must(t, err)
	c.replicas["r1"].kill(t)
	delete(c.replicas, "r1")
	for range 3 {
		c.start()
	}
	eventually(t, 2**turn+20*time.Second, "somebody leads", func() bool { who, _ := c.leader(); return who != "" })
	control.namespace(t, "warm")
	first, n := control.pod(t, "warm", "first", ""), int32(0)
	eventually(t, time.Minute, "a first end is recorded", func() bool { // what ended before anybody watched is no death
		n++
		control.restarts(t, first, n)
		return c.count(`SELECT COUNT(*) FROM deaths`) > 0
	})
	control.namespace(t, "turns")
	m := &mill{}
	for i := range 10 {
		m.pods, m.counts = append(m.pods, control.pod(t, "turns", fmt.Sprint("p", i), "")), append(m.counts, 0)
	}
	grinding, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { m.grind(grinding, t) })
	var waits []time.Duration
	for round := range *rounds {
		waits = append(waits, c.round(round))
	}
	stop()
	group.Wait()
	c.check(m)
	slices.Sort(waits)
	t.Logf("%d rounds, lease %s: taken over within %s at most, %s in the middle", len(waits), *turn, waits[len(waits)-1], waits[len(waits)/2])
	if most := waits[len(waits)-1]; most > *turn+5*time.Second {
		t.Errorf("a takeover took %s, at most %s", most, *turn+5*time.Second)
	}
}

// round takes the leader away, and returns how long nobody led.
func (c *crowd) round(n int) time.Duration {
	c.t.Helper()
	was, _ := c.leader()
	gone := c.replicas[was]
	if gone == nil {
		c.t.Fatalf("round %d: %q leads, which does not run", n, was)
	}
	must(c.t, pause(c.t.Context(), time.Duration(rand.IntN(2000))*time.Millisecond)) // at any moment of its work
	begun := time.Now()
	stopped := n%2 == 1
	if stopped {
		gone.signal(c.t, syscall.SIGSTOP)
	} else {
		gone.kill(c.t)
		delete(c.replicas, was)
	}
	var at time.Time
	eventually(c.t, *turn+45*time.Second, "another one leads in place of "+was, func() bool {
		var who string
		if who, at = c.leader(); who == was && time.Since(begun) > *turn+10*time.Second {
			c.t.Logf("after %s: %s", time.Since(begun), control.lease(c.t))
			must(c.t, pause(c.t.Context(), 5*time.Second))
		}
		return who != was
	})
	if stopped { // it goes on as if nothing had been
		gone.signal(c.t, syscall.SIGCONT)
	} else {
		c.start()
	}
	return at.Sub(begun)
}

// check compares what was recorded with what happened.
func (c *crowd) check(m *mill) {
	c.t.Helper()
	sum := 0
	for _, n := range m.counts {
		sum += int(n)
	}
	recorded := func() int {
		return c.count(`SELECT COUNT(*) FROM deaths d JOIN pods p ON p.id = d.pod WHERE d.kind = 0 AND p.namespace = 'turns'`)
	}
	for end := time.Now().Add(*turn + time.Minute); recorded() < sum && time.Now().Before(end); {
		must(c.t, pause(c.t.Context(), 200*time.Millisecond))
	}
	if n := recorded(); n != sum {
		c.t.Errorf("%d deaths are recorded, %d happened", n, sum)
	}
	rows, err := c.db.QueryContext(c.t.Context(), `SELECT who, what FROM acts ORDER BY id`)
	must(c.t, err)
	defer func() { _ = rows.Close() }() // what went wrong is told by Err
	leads, terms, acts := "", 0, 0
	for rows.Next() {
		var who, what string
		must(c.t, rows.Scan(&who, &what))
		switch {
		case what == "terms":
			leads, terms = who, terms+1
		case who != leads:
			c.t.Errorf("%s writes %s while %s leads", who, what, leads)
		default:
			acts++
		}
	}
	must(c.t, rows.Err())
	c.t.Logf("%d ends, %d terms, %d transactions' statements", sum, terms, acts)
	if acts == 0 || terms <= *rounds {
		c.t.Errorf("%d acts in %d terms: the ledger saw too little", acts, terms)
	}
}
