// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"

	"github.com/kubeinquest/inquest/internal/journal"
	"github.com/kubeinquest/inquest/internal/node/kernel"
	"github.com/kubeinquest/inquest/internal/record"
)

// A state is the agent's directory, for the little that it must know after a restart beside record and logs.
type state struct {
	root *os.Root
}

// write replaces a file in one step.
func (s state) write(name string, data []byte) error {
	if err := s.root.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return s.root.Rename(name+".new", name)
}

const positionFile, unitsFile, runsFile = "kernel.json", "units.json", "runs.ndjson"

// position is how far the kernel's log was read; the beginning when that is not known.
func (s state) position() kernel.Position { return read[kernel.Position](s, positionFile) }

func (s state) savePosition(p kernel.Position) error { return s.save(positionFile, p) }

// unitsRead is how far the journal was read for the logs of units.
func (s state) unitsRead() journal.Cursor { return read[journal.Cursor](s, unitsFile) }

func (s state) saveUnitsRead(c journal.Cursor) error { return s.save(unitsFile, c) }

// read reads a file; what it holds is empty where that is not whole.
func read[T any](s state, name string) T {
	var v, none T
	if data, err := s.root.ReadFile(name); err != nil || json.Unmarshal(data, &v) != nil {
		return none
	}
	return v
}

func (s state) save(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(name, data)
}

// saveRuns keeps what the record may drop: the runs that are known.
func (s state) saveRuns(list []record.Entry) error {
	var out bytes.Buffer
	for _, e := range list {
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		out.Write(append(data, '\n'))
	}
	return s.write(runsFile, out.Bytes())
}

// runs gives what was kept to a function; what is not there or torn is left out.
func (s state) runs(each func(record.Entry)) {
	in, err := s.root.Open(runsFile)
	if err != nil {
		return
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e record.Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			each(e)
		}
	}
}
