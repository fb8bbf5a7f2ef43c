// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/regex"
)

const (
	mostTraceLines = 250 // of one report, which a console may mix with others
	mostFrames     = 24  // of one stack that are looked at
	shownFrames    = 4
)

// A trace is a report of the kernel that goes over several lines: what happened, in which process, and the stack.
type trace struct {
	sort, head string
	at         time.Time
	lines      int
	process    string   // comm of the process that it happened in
	place      string   // the function that the instruction pointer was in
	frames     []string // of the stack, innermost first
	unsure     []string // frames that the unwinder found on the stack and does not vouch for: "? f+0x1/0x2"
	skipping   bool     // another stack has begun
}

var (
	framePart  = regex.New(`^(?:\[<[0-9a-f]+>\] ?)?(\? )?([A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+`)
	placePart  = regex.New(`^(?:RIP:? |EIP:? |pc : |PC is at |NIP )[^A-Za-z_]*(?:\[<[0-9a-f]+>\] *)*([A-Za-z_][\w.]*)\+0x`)
	hexPlace   = regex.New(`^RIP: [0-9a-f]{4}:(?:\[<[0-9a-f]+>\] +)*([A-Za-z_][\w.]*)\+0x`)
	headPlace  = regex.New(` in ([A-Za-z_][\w.]*)(?:\+0x|$| )`)
	commPart   = regex.New(`\bComm: (.+?) (?:Tainted|Not tainted|Kdump)`)
	lockedTask = regex.New(`\[([^\[\]]+):\d+\]\s*$`)
)

// machinery are the functions at the top of every stack that sleeps, spins or reports; what called them is the place.
var machinery = regex.New(`^(_*schedule(_.*)?|io_schedule(_.*)?|bit_wait(_.*)?|_*wait_on_.*|out_of_line_wait.*|_*wait_for_.*|` +
	`_*mutex_lock.*|_*rwsem_.*|call_rwsem_.*|_*down(_.*)?|_raw_.*|rt_mutex.*|_*rt_mutex.*|context_switch|preempt_schedule.*|prepare_to_wait.*|` +
	`dump_stack.*|show_stack|panic|_*warn.*|report_bug|fixup_bug.*|do_error_trap|do_trap.*|asm_exc_.*|exc_.*|invalid_op|die.*|oops_.*|` +
	`print_.*|kasan_.*|_*kasan_.*|_*asan_.*|check_memory_region.*|ubsan_.*|_*ubsan_.*|no_context|_*bad_area.*|_*do_page_fault|` +
	`page_fault|async_page_fault|general_protection|watchdog.*|check_hung.*|nmi_.*|do_nmi|end_repeat_nmi|rcu_.*|apic_timer.*|sysvec_.*|` +
	`asm_sysvec_.*|smp_apic_.*|hrtimer_.*|_*hrtimer_.*|tick_.*|update_process_times|_*sanitizer_.*|kmsan_.*|_*msan_.*)$`)

// goesOn tells whether a headline belongs to the report that is open: an oops has several.
func (t *trace) goesOn(sort, text string) bool {
	return t != nil && sort == "kernel-oops" && t.sort == "kernel-oops" && t.lines < 60 && !strings.Contains(text, "BUG: K")
}

// headline takes what the first lines say of the process and the place.
func (t *trace) headline(text string) {
	t.lines++
	if m := headPlace.FindStringSubmatch(text); m != nil && t.place == "" && !strings.Contains(text, "in atomic") && m[1] != "process" {
		t.place = m[1]
	}
	if m := lockedTask.FindStringSubmatch(text); m != nil && t.process == "" {
		t.process = m[1]
	}
}

// line takes a further line of the report. What follows its end, or another processor's stack, is not part of it.
func (t *trace) line(p *Follower, l hostLine) {
	if t == nil {
		return
	}
	text := strings.TrimSpace(l.text)
	if t.lines++; t.lines > mostTraceLines || strings.Contains(text, "---[ end ") {
		p.close()
		return
	}
	t.skipping = t.skipping || ended.MatchString(text) && len(t.frames)+len(t.unsure) > 0
	if t.skipping {
		return
	}
	if m := commPart.FindStringSubmatch(text); m != nil && t.process == "" {
		t.process = m[1]
	}
	for _, form := range []*regex.Expr{hexPlace, placePart} {
		if m := form.FindStringSubmatch(text); m != nil && t.place == "" {
			t.place = m[1]
		}
	}
	if m := framePart.FindStringSubmatch(text); m != nil && len(t.frames) < mostFrames && len(t.unsure) < 2*mostFrames {
		if m[1] == "" {
			t.frames = append(t.frames, m[2])
		} else {
			t.unsure = append(t.unsure, m[2])
		}
	}
}

// text returns the headline with the process and the place: "… (in blkdev_put < blkdev_close < __fput; process docker)".
func (t *trace) text() string {
	var said []string
	if stack := t.stack(); len(stack) > 0 {
		said = append(said, "in "+strings.Join(stack, " < "))
	}
	if t.process != "" && t.sort != "hung-task" {
		said = append(said, "process "+t.process)
	}
	if len(said) == 0 {
		return t.head
	}
	return fmt.Sprintf("%s (%s)", shorten(t.head), strings.Join(said, "; "))
}

// stack returns the frames that say where it happened: from the instruction pointer, or from the first that is not the
// scheduler's, a lock's or the reporter's.
func (t *trace) stack() []string {
	frames := t.frames
	if len(frames) == 0 || !slices.ContainsFunc(frames, func(f string) bool { return !machinery.MatchString(f) }) {
		frames = t.unsure
	}
	i := max(slices.IndexFunc(frames, func(f string) bool { return !machinery.MatchString(f) }), 0)
	frames = frames[i:min(len(frames), i+shownFrames)]
	if t.place != "" && !machinery.MatchString(t.place) && !slices.Contains(frames, t.place) && t.sort != "hung-task" {
		frames = append([]string{t.place}, frames[:min(len(frames), shownFrames-1)]...)
	}
	return frames
}
