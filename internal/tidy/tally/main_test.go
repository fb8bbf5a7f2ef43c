// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const run = `make: entering
{"Action":"start","Package":"example/a"}
{"Action":"run","Package":"example/a","Test":"TestGood"}
{"Action":"output","Package":"example/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"pass","Package":"example/a","Test":"TestGood","Elapsed":0}
{"Action":"output","Package":"example/a","Test":"TestBad/one","Output":"    a_test.go:9: it is <bad>\n"}
{"Action":"fail","Package":"example/a","Test":"TestBad/one","Elapsed":0}
{"Action":"fail","Package":"example/a","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"example/a","Output":"FAIL\n"}
{"Action":"fail","Package":"example/a","Elapsed":0.1}
{"ImportPath":"example/b","Action":"build-output","Output":"b.go:3: undefined: x\n"}
{"Action":"fail","Package":"example/b","Elapsed":0}
{"Action":"output","Package":"example/c","Output":"PASS\n"}
{"Action":"output","Package":"example/c","Output":"ok  \texample/c\t0.1s\n"}
{"Action":"pass","Package":"example/c","Elapsed":0.1}
{not json}
`

const shown = `make: entering
    a_test.go:9: it is <bad>
FAIL
b.go:3: undefined: x
ok  	example/c	0.1s
{not json}
`

func TestTally(t *testing.T) {
	var out strings.Builder
	counts := &tally{said: map[string]*strings.Builder{}, blamed: map[string]bool{}, out: &out}
	if err := counts.run(nil, strings.NewReader(run)); err != nil {
		t.Fatal(err)
	}
	if out.String() != shown {
		t.Errorf("shown:\n%s\nwant:\n%s", out.String(), shown)
	}
	if got, want := counts.String(), "1 passed, 3 failed"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
}

func TestTallyOfFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(name, []byte(run), 0o600); err != nil {
		t.Fatal(err)
	}
	counts := &tally{said: map[string]*strings.Builder{}, blamed: map[string]bool{}}
	if err := counts.run([]string{name, name}, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := counts.String(), "2 passed, 5 failed"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
	if err := counts.run([]string{name + ".gone"}, nil); err == nil {
		t.Error("a file that is not there was counted")
	}
}
