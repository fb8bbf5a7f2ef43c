// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// A database is a real PostgreSQL that listens on a socket in a folder of its own.
type database struct{ dir string }

func startPostgres(scratch string) (*database, error) {
	d := &database{filepath.Join(scratch, "pg")}
	err := errors.Join(os.Chmod(scratch, 0o755), os.Mkdir(d.dir, 0o755))
	if who := nobody(); who != nil {
		err = errors.Join(err, os.Chown(d.dir, int(who.Uid), int(who.Gid)))
	}
	data := filepath.Join(d.dir, "data")
	return d, errors.Join(err,
		pg("initdb", "-D", data, "-U", "inquest", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale", "C.UTF-8"),
		pg("pg_ctl", "-D", data, "-w", "-l", filepath.Join(d.dir, "log"), "-o", "-c listen_addresses='' -c fsync=off -k "+d.dir, "start"))
}

func (d *database) stop() {
	_ = pg("pg_ctl", "-D", filepath.Join(d.dir, "data"), "-m", "immediate", "stop") // it ends with the tests
}

func (d *database) url(name, as string) string {
	return "postgres://inquest@/" + name + "?host=" + d.dir + "&application_name=" + as
}

// create makes an empty database and opens it.
func (d *database) create(t *testing.T, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", d.url("postgres", "test"))
	must(t, err)
	_, err = db.ExecContext(t.Context(), "CREATE DATABASE "+name)
	must(t, err)
	must(t, db.Close())
	db, err = sql.Open("pgx", d.url(name, "test"))
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// nobody is the user to be where this is root, which PostgreSQL refuses to run as.
func nobody() *syscall.Credential {
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
	path, err := exec.LookPath(program)
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
		if len(found) == 0 {
			return fmt.Errorf("%s not found: install PostgreSQL", program)
		}
		path = found[len(found)-1]
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody()}
	if err := cmd.Run(); err != nil { // its output is not kept: a server would hold the pipe open
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

// A replica is a running inquest serve.
type replica struct {
	name, url string
	cmd       *exec.Cmd
	ended     chan struct{}
	log       string
}

// serve starts one as the server's account, and waits until it serves.
func serve(t *testing.T, name, token string, args ...string) *replica {
	t.Helper()
	r := &replica{name: name, ended: make(chan struct{}), log: filepath.Join(t.TempDir(), name+".log")}
	log, err := os.Create(r.log)
	must(t, err)
	r.cmd = exec.Command(inquest, append([]string{"serve", "--kubeconfig", control.kubeconfig(t, token), "--listen", "127.0.0.1:0", "--access", "cluster"}, args...)...)
	r.cmd.Stderr = log
	out, err := r.cmd.StdoutPipe()
	must(t, err)
	must(t, r.cmd.Start())
	lines := bufio.NewScanner(out)
	for r.url == "" && lines.Scan() {
		_, r.url, _ = strings.Cut(strings.TrimSuffix(lines.Text(), "/"), "The console: ")
	}
	go func() {
		_ = r.cmd.Wait() // by whichever signal
		log.Close()
		close(r.ended)
	}()
	t.Cleanup(func() {
		r.kill(t)
		if t.Failed() {
			data, _ := os.ReadFile(r.log)
			t.Logf("%s: %s", name, data[max(0, len(data)-3000):])
		}
	})
	if r.url == "" {
		data, _ := os.ReadFile(r.log)
		t.Fatalf("%s does not serve: %s", name, data)
	}
	return r
}

func (r *replica) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	must(t, r.cmd.Process.Signal(s))
}

// kill ends it at once, if it runs.
func (r *replica) kill(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-r.ended
}

// eventually waits until something is so.
func eventually(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !is(); {
		if time.Now().After(end) {
			t.Fatalf("within %s not: %s", within, what)
		}
		must(t, pause(t.Context(), 100*time.Millisecond))
	}
}
