// SPDX-License-Identifier: Apache-2.0

package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib" // and the driver "pgx"
)

// channel is where processes that share a PostgreSQL tell each other that something changed. What changed they read themselves: a
// notification has 8,000 bytes at most, and is lost on whoever does not listen.
const channel = "inquest_history"

// listenAgain is how long after the connection broke off it is listened again.
const listenAgain = time.Second

// tellOthers has other processes hear of the transaction, when it is committed.
func (t *txn) tellOthers() error {
	change := t.change()
	if t.store.dialect.tell == "" || change.none() {
		return nil
	}
	return t.exec(t.store.dialect.tell, t.store.me)
}

// listen hears what other processes write, until deafen.
func (s *Store) listen() {
	ctx, stop := context.WithCancel(context.Background())
	s.deafen, s.deaf = stop, make(chan struct{})
	go func() {
		defer close(s.deaf)
		for ctx.Err() == nil {
			_ = s.hear(ctx) // whoever asks the same database for something else is told what is wrong with it
			select {
			case <-ctx.Done():
			case <-time.After(listenAgain):
			}
		}
	}()
}

// hear listens by one connection until that breaks off. What was told before it listened is a reason to look again as well.
func (s *Store) hear(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	err = conn.Raw(func(connection any) error {
		pg := connection.(*stdlib.Conn).Conn() // the driver is this one
		_, err := pg.Exec(ctx, "LISTEN "+channel)
		for from := ""; err == nil; {
			if from != s.me {
				s.changes.tell(Change{LookAgain: true})
			}
			var heard *pgconn.Notification
			if heard, err = pg.WaitForNotification(ctx); err == nil {
				from = heard.Payload
			}
		}
		return errors.Join(driver.ErrBadConn, err) // nobody else is to have a connection that listens
	})
	return errors.Join(err, ignore(conn.Close(), driver.ErrBadConn))
}
