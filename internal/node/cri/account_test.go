// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A kubelet crashes containers of a fake runtime and removes the dead as the real one does: the newest dead one of each
// container is kept, at most.
type kubelet struct {
	b     *bench
	rand  *rand.Rand
	next  map[string]int      // the number of the next run, by container
	alive map[string]string   // id
	dead  map[string][]string // ids, the oldest first
}

func (k *kubelet) step() {
	name := fmt.Sprint("c", k.rand.IntN(4))
	pod := fmt.Sprint("p", k.rand.IntN(3))
	key := pod + "/" + name
	switch id := k.alive[key]; id {
	case "":
		k.alive[key] = k.b.fake.run(pod, name, k.next[key])
		k.next[key]++
	default:
		if k.rand.IntN(2) == 0 {
			k.b.fake.dies(id, 1) // before CRI has it
			k.b.wait(time.Duration(k.rand.IntN(3)) * 20 * time.Millisecond)
		}
		k.b.fake.exit(id, 1, "Error")
		k.dead[key] = append(k.dead[key], id)
		delete(k.alive, key)
	}
	if id := k.alive[key]; id != "" && k.rand.IntN(3) > 0 {
		k.b.fake.emit(id) // the others are lost
	}
	if n := len(k.dead[key]); n > 0 && k.rand.IntN(3) == 0 {
		k.b.fake.remove(k.dead[key][:n-1]...)
		k.dead[key] = k.dead[key][n-1:]
	}
}

// TestAccount lets containers crash at random under a reader that is killed at random, with the newest entries of its record
// lost or not: in the end each attempt was either told as a run or is within one gap, and none is both.
func TestAccount(t *testing.T) {
	ran, lost := 0, 0
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			play(t, func(b *bench) {
				k := &kubelet{b: b, rand: rand.New(rand.NewPCG(seed, 1)), next: map[string]int{}, alive: map[string]string{}, dead: map[string][]string{}}
				for range 300 {
					k.step()
					switch k.rand.IntN(40) {
					case 0, 1:
						k.restart()
					case 2:
						b.fake.stop()
						k.step()
						b.fake.start()
					default:
						b.wait(time.Duration(k.rand.IntN(400)) * time.Millisecond)
					}
				}
				b.wait(5 * time.Second)
				told, missed := k.check(t, b.list)
				ran, lost = ran+told, lost+missed
			})
		})
	}
	if ran < 1000 || lost < 100 {
		t.Errorf("%d runs were told and %d missed: too few to prove anything", ran, lost)
	}
}

// restart kills the reader and starts one that has the record, without its newest entries, or another's account.
func (k *kubelet) restart() {
	b := k.b
	b.end()
	known := b.reader.Known()
	if b.restore = nil; k.rand.IntN(2) == 0 {
		b.restore = known
	} else {
		b.list = b.list[:len(b.list)-k.rand.IntN(min(len(b.list)+1, 4))]
	}
	for range k.rand.IntN(60) {
		k.step()
	}
	b.begin(Options{NoEvents: k.rand.IntN(2) == 0})
}

// over tells whether a run was told to be over.
func over(run *record.Run) bool {
	return run != nil && (run.State == record.Exited || run.State == record.Unknown)
}

// follows checks that what is told of a run later is what became of it: it does not run again, and its reason is told and stays.
func (k *kubelet) follows(t *testing.T, list []record.Entry) {
	t.Helper()
	state := map[string]*record.Run{}
	for _, e := range list {
		if e.Run == nil {
			continue
		}
		if last := state[e.Run.ID]; over(last) && !over(e.Run) || last != nil && last.Reason != "" && e.Run.Reason == "" {
			t.Errorf("%s is told of as %s %s, and then as %s %s", e.Run.Of, last.State, last.Reason, e.Run.State, e.Run.Reason)
		}
		state[e.Run.ID] = e.Run
	}
	for id, run := range state {
		if run.State == record.Exited && run.Reason == "" && run.Message == "" && k.b.fake.containers[id] != nil {
			t.Errorf("why %s ended was not told", run.Of)
		}
	}
}

func (k *kubelet) check(t *testing.T, list []record.Entry) (told, lost int) {
	t.Helper()
	k.follows(t, list)
	ran, missed := map[evidence.Ref]string{}, map[evidence.Ref]int{}
	for _, e := range list {
		switch {
		case e.Run != nil:
			if id := ran[e.Run.Of]; id != "" && id != e.Run.ID {
				t.Errorf("%s is told of as %s and as %s", e.Run.Of, id, e.Run.ID)
			}
			ran[e.Run.Of] = e.Run.ID
		case e.Gap != nil && e.Gap.Count > 0:
			for i := range int(e.Gap.Count) {
				missed[e.Gap.About.InAttempt(e.Gap.About.Attempt-i)]++
			}
		}
	}
	for of, n := range missed {
		if n > 1 || ran[of] != "" {
			t.Errorf("%s is in %d gaps, and told of as %q", of, n, ran[of])
		}
	}
	started := 0
	for _, n := range k.next {
		started += n
	}
	if len(ran)+len(missed) != started {
		t.Errorf("%d runs were told and %d missed, of %d", len(ran), len(missed), started)
	}
	return len(ran), len(missed)
}

// TestTooMany: what is not followed because it is too much is a gap with a count, once for each.
func TestTooMany(t *testing.T) {
	play(t, func(b *bench) {
		b.reader.most = 2
		for i := range 5 {
			b.fake.run("web", "app", i)
		}
		b.wait(10 * time.Second)
		b.expect("gap node/n1 3 runs: the runtime has more than the 2 that are followed", "pod/web[app]#0 running 0 ", "pod/web[app]#1 running 0 ")
		b.fake.run("web", "app", 5)
		b.wait(10 * time.Second)
		b.expect()
		b.wait(time.Minute)
		b.expect("gap node/n1 1 runs: the runtime has more than the 2 that are followed")
		for i := range 3 {
			b.fake.sandbox("web", fmt.Sprint("box-", i), 0, true)
		}
		b.wait(time.Second)
		b.expect("gap node/n1 1 sandboxes: the runtime has more than the 2 that are followed", "sandbox-created pod/web 0.0")
		if n := b.reader.Counts().Dropped; n != 5 {
			t.Errorf("counted %d", n)
		}
	})
}
