// SPDX-License-Identifier: Apache-2.0

package hostlog

import (
	"slices"
	"sync"
)

// A sieve finds out quickly whether a text has one of many words: it goes over the text once, and compares only where
// four bytes hash like the beginning of a word. Most lines of a log mean nothing, and a flood of them must cost little.
type sieve struct {
	bucket [1 << sieveBits]uint16 // 0: no word begins so; else the place in lists, from 1
	lists  [][]string
}

const sieveBits = 13

// telling finds the lines that may mean something: each entry of the tables of words is in it by its longest part.
var telling = sync.OnceValue(func() *sieve { return newSieve(tellingWords()) })

func tellingWords() []string {
	words := []string{
		"invoked oom-killer:", "memory.oom.group set", "oom-kill:constraint=", "killed as a result of limit of", "Kill process ", "Killed process ", " uid ",
		"BUG: ", "Oops", hungWords, trapWords, "panic: ", "Started ", "Starting ",
	}
	words = slices.Concat(words, faultWords, oopsWords, debugWords)
	longer := func(a, b string) int { return len(a) - len(b) }
	for _, w := range kernelWords {
		words = append(words, slices.MaxFunc(w.parts, longer))
	}
	for _, w := range programWords {
		words = append(words, slices.MaxFunc(w.parts, longer))
	}
	return words
}

// newSieve makes a sieve of words of at least four bytes.
func newSieve(words []string) *sieve {
	s := &sieve{}
	for _, w := range words {
		h := hash(uint32(w[0])<<24 | uint32(w[1])<<16 | uint32(w[2])<<8 | uint32(w[3]))
		if s.bucket[h] == 0 {
			s.lists = append(s.lists, nil)
			s.bucket[h] = uint16(len(s.lists))
		}
		at := s.bucket[h] - 1
		s.lists[at] = append(s.lists[at], w)
	}
	return s
}

func hash(four uint32) uint32 { return four * 0x9E3779B1 >> (32 - sieveBits) }

// A text is a line as it was read, or as it is kept.
type text interface{ string | []byte }

// in tells whether one of the words is in the text.
func in[T text](s *sieve, t T) bool {
	var four uint32
	for i := range len(t) {
		four = four<<8 | uint32(t[i])
		if b := s.bucket[hash(four)]; b != 0 && i >= 3 && begins(s.lists[b-1], t[i-3:]) {
			return true
		}
	}
	return false
}

// begins tells whether the text begins with one of the words.
func begins[T text](words []string, t T) bool {
	for _, w := range words {
		if len(t) >= len(w) && string(t[:len(w)]) == w {
			return true
		}
	}
	return false
}
