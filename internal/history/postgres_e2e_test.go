// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package history

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// server is a real PostgreSQL, for as long as the tests run.
var server = sync.OnceValues(startPostgres)

var databases atomic.Int64

// How often TestKilled kills, which -kills says otherwise, and how many stories TestModel tells.
const (
	thorough    = true
	usualKills  = 40
	usualChecks = "300"
)

func TestMain(m *testing.M) {
	status := m.Run()
	if folder, err := server(); err == nil {
		_ = pg("pg_ctl", "-D", filepath.Join(folder, "data"), "-m", "immediate", "stop")
		_ = os.RemoveAll(folder)
	}
	os.Exit(status)
}

// postgres returns how to make an empty database.
func postgres() func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		folder, err := server()
		must(t, err)
		db, err := sql.Open("pgx", at(folder, "postgres"))
		must(t, err)
		defer func() { must(t, db.Close()) }()
		name := fmt.Sprintf("test%d", databases.Add(1))
		_, err = db.ExecContext(t.Context(), "CREATE DATABASE "+name)
		must(t, err)
		return at(folder, name)
	}
}

// TestWaits: where the database is told not to wait for the disk, what is written waits all the same; more than that is left alone.
func TestWaits(t *testing.T) {
	for told, expected := range map[string]string{"off": "on", "remote_apply": "remote_apply"} {
		url := postgres()(t)
		db, err := sql.Open("pgx", url)
		must(t, err)
		_, err = db.ExecContext(t.Context(), "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = "+told+"', current_database()); END $$")
		must(t, err)
		must(t, db.Close())
		s := open(t, url, Options{})
		got := ""
		must(t, s.do(t.Context(), func(x *txn) error {
			_, err := x.row([]any{&got}, "SHOW synchronous_commit")
			return err
		}))
		want(t, "with "+told, got, expected)
	}
}

// TestOthersAreHeard: what one replica writes the other hears of at once, also after its connection broke off.
func TestOthersAreHeard(t *testing.T) {
	url := postgres()(t)
	writes, shows := open(t, url, Options{}), open(t, url, Options{})
	heard, cancel := shows.Changes()
	defer cancel()
	record := func(n int) {
		t.Helper()
		must(t, writes.Record(t.Context(), death("web-0", n, n)))
		for {
			select {
			case c := <-heard:
				if !c.LookAgain {
					t.Fatalf("what another process wrote is told as %+v", c)
				}
				found, err := shows.Deaths(t.Context(), Filter{})
				must(t, err)
				if len(found.Items) == n {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("nothing is heard of death %d", n)
			}
		}
	}
	listening := func() {
		t.Helper()
		for n := 0; n < 2; {
			must(t, shows.reads.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN inquest_history'`).Scan(&n))
		}
	}
	listening()
	record(1) // which may be found because it is looked again when it listens
	record(2)
	_, err := shows.db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN inquest_history'`)
	must(t, err)
	listening()
	record(3)
	record(4)
}

func at(folder, database string) string {
	return "postgres://inquest@/" + database + "?host=" + folder
}

// startPostgres starts a server that listens on a socket in a folder of its own.
func startPostgres() (string, error) {
	folder, err := os.MkdirTemp("", "pg")
	if err != nil {
		return "", err
	}
	data := filepath.Join(folder, "data")
	if who := other(); who != nil {
		err = os.Chown(folder, int(who.Uid), int(who.Gid))
	}
	return folder, errors.Join(err,
		pg("initdb", "-D", data, "-U", "inquest", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale", "C.UTF-8"),
		pg("pg_ctl", "-D", data, "-w", "-l", filepath.Join(folder, "log"), "-o", "-c listen_addresses='' -c max_connections=200 -k "+folder, "start"))
}

// other is the user to be where this is root, which PostgreSQL refuses to run as.
func other() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("nobody")
	if err != nil {
		return nil
	}
	uid, _ := strconv.ParseUint(who.Uid, 10, 32)
	gid, _ := strconv.ParseUint(who.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func pg(program string, args ...string) error {
	if _, err := exec.LookPath(program); err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
		if len(found) == 0 {
			return fmt.Errorf("%s not found: install PostgreSQL", program)
		}
		program = found[len(found)-1]
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: other()}
	if program == "pg_ctl" || filepath.Base(program) == "pg_ctl" { // its server would keep a pipe open
		return cmd.Run()
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}
