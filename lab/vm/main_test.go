// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestInitramfs reads an archive back, as the kernel does.
func TestInitramfs(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := initramfs(&out, []string{program, "-v", "a b"}); err != nil {
		t.Fatal(err)
	}
	data := out.String()
	files := map[string]string{}
	for at := 0; at < len(data); {
		if data[at:at+6] != "070701" {
			t.Fatalf("at %d there is no entry", at)
		}
		field := func(i int) int {
			n, err := strconv.ParseInt(data[at+6+8*i:at+14+8*i], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		name, size := field(11), field(6)
		body := (at + 110 + name + 3) &^ 3
		files[strings.TrimSuffix(data[at+110:at+110+name], "\x00")] = data[body : body+size]
		at = (body + size + 3) &^ 3
	}
	if files["program"] != "#!x" || files["arguments"] != program+"\x00-v\x00a b\x00" || len(files["init"]) < 1000 {
		t.Errorf("program %q, arguments %q, init of %d bytes", files["program"], files["arguments"], len(files["init"]))
	}
	if _, ok := files["TRAILER!!!"]; !ok {
		t.Error("it has no end")
	}
}
