// SPDX-License-Identifier: Apache-2.0

// Logs measures how fast logs are understood, as ratios on this machine: the matcher of signatures against ripgrep with
// the same literals and against one regular expression after the other, what a hundred more signatures cost, and
// templates against the plain algorithm. Times are those of the processor.
//
//	go run ./bench/logs -size 1024
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/kubeinquest/inquest/internal/signature"
)

func main() {
	b := bench{}
	flag.Int64Var(&b.mib, "size", 1024, "MiB of log")
	flag.IntVar(&b.shown, "shown", 100, "one line in so many is one that a signature knows")
	flag.StringVar(&b.rg, "rg", "rg", "ripgrep")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each is run, in turn; the fastest counts")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	mib    int64
	shown  int
	rg     string
	rounds int

	dir, log string
}

func (b *bench) run() error {
	dir, err := os.MkdirTemp("", "inquest-bench")
	if err != nil {
		return err
	}
	b.dir, b.log = dir, filepath.Join(dir, "all.log")
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() { // a gibibyte is not left behind
		<-interrupted
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(130)
	}()
	return errors.Join(b.measure(), os.RemoveAll(dir))
}

func (b *bench) measure() error {
	f, err := os.Create(b.log)
	if err != nil {
		return err
	}
	if err := write(f, b.mib<<20, without(signature.All()), b.shown); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := b.matcher(); err != nil {
		return err
	}
	return b.templates()
}

// matcher measures the signatures.
func (b *bench) matcher() error {
	all := signature.All()
	fewer := without(all)
	m, l := signature.NewMatcher(all), signature.NewMatcher(fewer)
	times, err := b.fastest(
		func() (time.Duration, error) { return b.scan(m) },
		func() (time.Duration, error) { return b.scan(l) },
		func() (time.Duration, error) { return b.ripgrep(all) },
	)
	if err != nil {
		return err
	}
	whole, less, rg := times[0], times[1], times[2]
	each, share, err := b.oneByOne(all)
	if err != nil {
		return err
	}
	fmt.Printf("%d signatures, %d MiB\n", len(all), b.mib)
	fmt.Printf("matcher        %8.0f MiB/s\n", b.speed(whole))
	fmt.Printf("ripgrep        %8.0f MiB/s   the matcher has %.2f of it\n", b.speed(rg), rg.Seconds()/whole.Seconds())
	fmt.Printf("one by one     %8.2f MiB/s   the matcher has %.0f times it\n", b.speed(each)*share, each.Seconds()/share/whole.Seconds())
	added := float64(len(all)-len(fewer)) / 100
	fmt.Printf("100 more signatures cost %.1f %%\n", (whole.Seconds()/less.Seconds()-1)*100/added)
	return nil
}

// without takes a quarter of the signatures away. The log shows none of those, so that they cost what they cost by being
// there.
func without(all []*signature.Sig) []*signature.Sig {
	var fewer []*signature.Sig
	for i, s := range all {
		if i%4 != 0 {
			fewer = append(fewer, s)
		}
	}
	return fewer
}

func (b *bench) speed(d time.Duration) float64 { return float64(b.mib) / d.Seconds() }

// scan is the time to scan the log once.
func (b *bench) scan(m *signature.Matcher) (time.Duration, error) {
	f, err := os.Open(b.log)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	before := spent()
	_, err = m.Scan(f)
	return spent() - before, err
}

// fastest is the least time that each of some runs takes. They take turns, so that what else the machine does falls on
// all of them.
func (b *bench) fastest(runs ...func() (time.Duration, error)) ([]time.Duration, error) {
	best := make([]time.Duration, len(runs))
	for range b.rounds {
		for i, run := range runs {
			d, err := run()
			if err != nil {
				return nil, err
			}
			if best[i] == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	return best, nil
}

// spent is the time of the processor that this process has had.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ripgrep is the time that ripgrep takes to count the lines with one of the literals.
func (b *bench) ripgrep(sigs []*signature.Sig) (time.Duration, error) {
	var literals strings.Builder
	for _, s := range sigs {
		literals.WriteString(strings.Join(s.Literals, "\n") + "\n")
	}
	file := filepath.Join(b.dir, "literals")
	if err := os.WriteFile(file, []byte(literals.String()), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.Command(b.rg, "--no-config", "-j1", "-c", "-F", "-f", file, b.log)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("ripgrep: %w: %s", err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// oneByOne is the time to try the regular expression of every signature on every line, and the share of the log that
// was tried.
func (b *bench) oneByOne(sigs []*signature.Sig) (time.Duration, float64, error) {
	var all []*regexp.Regexp
	for _, s := range sigs {
		pattern := s.Pattern
		if pattern == "" {
			var quoted []string
			for _, l := range s.Literals {
				quoted = append(quoted, regexp.QuoteMeta(l))
			}
			pattern = "(?i)" + strings.Join(quoted, "|")
		}
		all = append(all, regexp.MustCompile(pattern))
	}
	f, err := os.Open(b.log)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	sample := make([]byte, min(1<<20, b.mib<<20))
	if _, err := io.ReadFull(f, sample); err != nil {
		return 0, 0, err
	}
	before := spent()
	for line := range bytes.Lines(sample) {
		for _, r := range all {
			r.Match(line)
		}
	}
	return spent() - before, float64(len(sample)) / float64(b.mib<<20), nil
}

// templates measures the grouping of lines.
func (b *bench) templates() error {
	lines, err := b.lines(400_000)
	if err != nil {
		return err
	}
	tenth := lines[:len(lines)/10]
	var ours, plain int
	times, err := b.fastest(func() (time.Duration, error) {
		before, t := spent(), signature.NewTemplates(8192)
		for _, l := range lines {
			t.Add(l)
		}
		ours = t.Len()
		return spent() - before, nil
	}, func() (time.Duration, error) {
		before, d := spent(), newDrain()
		for _, l := range tenth {
			d.add(l)
		}
		plain = d.groups
		return spent() - before, nil
	})
	if err != nil {
		return err
	}
	fast, slow := times[0], times[1]
	rate := func(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
	fmt.Printf("templates      %8.0f lines/s, %d templates\n", rate(len(lines), fast), ours)
	fmt.Printf("plain Drain    %8.0f lines/s, %d templates   ours has %.0f times it\n", rate(len(tenth), slow), plain,
		rate(len(lines), fast)/rate(len(tenth), slow))
	return nil
}

func (b *bench) lines(n int) ([]string, error) {
	f, err := os.Open(b.log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	for len(lines) < n && s.Scan() {
		lines = append(lines, s.Text())
	}
	return lines, s.Err()
}
