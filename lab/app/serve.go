// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// A server is a web service with the illnesses that probes find. Durations
// count from the start of the process; zero means never.
type server struct {
	start     time.Time
	badAfter  time.Duration
	hangAfter time.Duration
	notReady  time.Duration
	latency   time.Duration
}

func serve(args []string) error {
	var s server
	flags := newFlags("serve")
	addr := flags.String("addr", ":8080", "where to listen")
	slow := flags.Duration("slow-start", 0, "time before it listens at all")
	other := flags.Duration("or", 0, "with -slow-start: by chance, every other run takes this time instead")
	spread := flags.Float64("spread", 0, "with -slow-start: by which share of it runs differ, by chance")
	warm := flags.Duration("warm-cpu", 0, "processor time that it uses before it listens")
	needs := flags.String("needs", "", "host:port that must take a connection before it listens")
	deaf := flags.Duration("close-after", 0, "stop listening after this long")
	crashAfter := flags.Duration("crash-after", 0, "exit with 1 after this long")
	flags.DurationVar(&s.badAfter, "bad-after", 0, "/healthz answers 500 after this long")
	flags.DurationVar(&s.hangAfter, "hang-after", 0, "/healthz hangs after this long")
	flags.DurationVar(&s.notReady, "not-ready-for", 0, "/readyz answers 503 for this long")
	flags.DurationVar(&s.latency, "latency", 0, "time before each answer")
	onTerm := flags.Int("term-code", 143, "exit code on SIGTERM")
	drain := flags.Duration("drain", 0, "time between SIGTERM and exit")
	stubborn := flags.Bool("ignore-term", false, "do not leave on SIGTERM: only SIGKILL ends it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s.start = time.Now()
	go leaveOnTerm(*onTerm, *drain, *stubborn)
	if *slow > 0 {
		say(os.Stdout, "warming up")
		time.Sleep(startTime(*slow, *other, *spread))
	}
	if err := warmUp(*warm, *needs); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	say(os.Stdout, "listening on %s", *addr)
	atEnd(*deaf, func() {
		say(os.Stderr, "listener closed: %v", listener.Close())
	})
	atEnd(*crashAfter, func() {
		say(os.Stderr, "FATAL: lost connection to message broker")
		os.Exit(1)
	})
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	err = server.Serve(listener)
	if *deaf > 0 {
		forever()
	}
	return err
}

// startTime is how long this run takes to start.
func startTime(slow, other time.Duration, spread float64) time.Duration {
	if other > 0 && rand.IntN(2) == 0 {
		slow = other
	}
	return time.Duration(float64(slow) * (1 + spread*(2*rand.Float64()-1)))
}

// warmUp uses processor time, as what compiles or loads, and waits for another server.
func warmUp(cpu time.Duration, needs string) error {
	for used := time.Duration(0); used < cpu; {
		for n := range 1 << 20 {
			runtime.KeepAlive(n)
		}
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		used = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for needs != "" {
		conn, err := net.DialTimeout("tcp", needs, time.Second)
		if err == nil {
			return conn.Close()
		}
		say(os.Stderr, "waiting: %v", err)
		time.Sleep(time.Second)
	}
	return nil
}

func atEnd(d time.Duration, f func()) {
	if d > 0 {
		time.AfterFunc(d, f)
	}
}

func (s server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", s.health)
	mux.HandleFunc("/readyz", s.ready)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	return mux
}

func (s server) health(w http.ResponseWriter, r *http.Request) {
	up := time.Since(s.start)
	if s.hangAfter > 0 && up > s.hangAfter {
		<-r.Context().Done()
		return
	}
	time.Sleep(s.latency)
	if s.badAfter > 0 && up > s.badAfter {
		http.Error(w, "worker pool exhausted", http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s server) ready(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(s.latency)
	if time.Since(s.start) < s.notReady {
		http.Error(w, "cache is cold", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func leaveOnTerm(code int, drain time.Duration, stubborn bool) {
	terms := make(chan os.Signal, 4)
	signal.Notify(terms, syscall.SIGTERM)
	for range terms {
		say(os.Stdout, "received SIGTERM")
		if stubborn {
			continue
		}
		time.Sleep(drain)
		os.Exit(code)
	}
}
