// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"encoding/json"
	"time"
)

// stampOut is how kubectl logs --timestamps writes a time: fraction of nine digits, zone as it was logged (kubelet
// pkg/kubelet/types/constants.go, RFC3339NanoFixed).
const stampOut = "2006-01-02T15:04:05.000000000Z07:00"

// mostJoined bounds a line that is joined of parts; what is longer is given in several.
const mostJoined = 1 << 20

// A printer turns a log as the runtime writes it into what kubectl logs --timestamps prints. The parts of a long line
// are joined, for each stream on its own.
type printer struct {
	out   []byte
	parts [2]part // stdout and stderr
}

type part struct {
	stamp string
	text  []byte
}

func printed(raw ...[]byte) []byte {
	var p printer
	for _, block := range raw {
		for line := range bytes.SplitSeq(block, newline) {
			p.line(line)
		}
		p.flush()
	}
	return p.out
}

func (p *printer) line(line []byte) {
	if len(line) == 0 {
		return
	}
	if line[0] == '{' {
		p.docker(line)
		return
	}
	stamp, stream, rest, ok := criLine(line)
	if !ok {
		p.out = append(append(p.out, line...), '\n') // not of a runtime; kubectl would refuse the log
		return
	}
	tag, text, _ := bytes.Cut(rest, []byte{' '})
	first, _, _ := bytes.Cut(tag, []byte{':'})
	p.add(stream, stamp, text, len(first) == 1 && first[0] == 'P')
}

// criLine parses "2016-10-06T00:17:09.669794202Z stdout P text" (CRI log format).
func criLine(line []byte) (stamp string, stream int, rest []byte, ok bool) {
	at, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(at) > 40 {
		return "", 0, nil, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(at))
	if err != nil {
		return "", 0, nil, false
	}
	name, rest, _ := bytes.Cut(rest, []byte{' '})
	switch string(name) {
	case "stdout":
	case "stderr":
		stream = 1
	default:
		return "", 0, nil, false
	}
	return t.Format(stampOut), stream, rest, true
}

// docker parses {"log":"text\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}.
func (p *printer) docker(line []byte) {
	var l struct {
		Log    string
		Stream string
		Time   time.Time
	}
	if err := json.Unmarshal(line, &l); err != nil || l.Stream != "stdout" && l.Stream != "stderr" {
		p.out = append(append(p.out, line...), '\n')
		return
	}
	stream := 0
	if l.Stream == "stderr" {
		stream = 1
	}
	text, whole := bytes.CutSuffix([]byte(l.Log), newline)
	p.add(stream, l.Time.Format(stampOut), text, !whole)
}

func (p *printer) add(stream int, stamp string, text []byte, partial bool) {
	at := &p.parts[stream]
	if at.stamp == "" {
		at.stamp = stamp
	}
	at.text = append(at.text, text...)
	if !partial || len(at.text) > mostJoined {
		p.end(at)
	}
}

func (p *printer) end(at *part) {
	p.out = append(append(append(append(p.out, at.stamp...), ' '), at.text...), '\n')
	at.stamp, at.text = "", at.text[:0]
}

// flush ends lines of which the last part is not there.
func (p *printer) flush() {
	for i := range p.parts {
		if p.parts[i].stamp != "" {
			p.end(&p.parts[i])
		}
	}
}
