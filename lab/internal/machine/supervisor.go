// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	poll         = 100 * time.Millisecond
	restartPause = time.Second
	waitAtMost   = time.Minute // then a unit starts without what it waits for
)

// A supervisor keeps the units running, and reaps whatever ends: pid 1 is the
// parent of every orphan, so one place waits for all.
type supervisor struct {
	spec   Spec
	dir    string
	client *http.Client

	mu    sync.Mutex
	ended map[int]chan<- syscall.WaitStatus
}

func newSupervisor(s Spec) *supervisor {
	inside := Spec{Name: s.Name, State: StateDir}
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(filepath.Join(StateDir, "pki", "ca.crt")); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	return &supervisor{
		spec: s,
		dir:  inside.dir(),
		client: &http.Client{
			Timeout:   time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
		},
		ended: map[int]chan<- syscall.WaitStatus{},
	}
}

// run never returns.
func (v *supervisor) run() {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for _, u := range v.spec.Units {
		go v.keep(u)
	}
	for range children {
		v.reap()
	}
}

func (v *supervisor) reap() {
	for {
		var status syscall.WaitStatus
		v.mu.Lock()
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid > 0 && v.ended[pid] != nil {
			v.ended[pid] <- status
			delete(v.ended, pid)
		}
		v.mu.Unlock()
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
	}
}

// keep runs one unit for as long as the machine is up.
func (v *supervisor) keep(u Unit) {
	v.await(u)
	for {
		for v.exists("off", u.Name) {
			time.Sleep(poll)
		}
		status, err := v.once(u)
		switch {
		case err != nil:
			v.log("%s does not start: %v", u.Name, err)
		case u.Once && status == 0:
			if err := writeString(filepath.Join(v.dir, "done", u.Name), ""); err != nil {
				v.log("%s: %v", u.Name, err)
			}
			return
		case u.Once: // what it needs is not there yet
			time.Sleep(poll)
			continue
		default:
			v.log("%s ended with code %d, signal %d", u.Name, status.ExitStatus(), termSignal(status))
		}
		time.Sleep(restartPause)
	}
}

func termSignal(status syscall.WaitStatus) int {
	if status.Signaled() {
		return int(status.Signal())
	}
	return 0
}

// once starts the unit and waits for its end.
func (v *supervisor) once(u Unit) (syscall.WaitStatus, error) {
	log, err := os.OpenFile(filepath.Join(v.dir, "log", u.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	ended := make(chan syscall.WaitStatus, 1)
	v.mu.Lock() // held until the pid is known to reap, else a quick end is missed
	pid, err := syscall.ForkExec(u.Path, append([]string{u.Name}, u.Args...), &syscall.ProcAttr{
		Dir:   filepath.Join(v.dir, "log"),
		Env:   v.spec.Environment,
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err == nil {
		v.ended[pid] = ended
	}
	v.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return <-ended, nil
}

func (v *supervisor) await(u Unit) {
	deadline := time.Now().Add(waitAtMost)
	for _, condition := range u.Wait {
		for !v.met(condition) {
			if time.Now().After(deadline) {
				v.log("%s starts without %s", u.Name, condition)
				return
			}
			time.Sleep(poll)
		}
	}
}

func (v *supervisor) met(condition string) bool {
	if !strings.HasPrefix(condition, "https:") {
		return v.exists("done", condition)
	}
	resp, err := v.client.Get(condition)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (v *supervisor) exists(dir, unit string) bool {
	_, err := os.Stat(filepath.Join(v.dir, dir, unit))
	return err == nil
}

// log goes to the machine's init.log.
func (v *supervisor) log(format string, args ...any) {
	fmt.Fprintln(os.Stderr, time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, args...))
}
