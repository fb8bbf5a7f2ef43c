// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/lab/internal/image"
)

// The images every node has. Nothing else can be pulled in the lab.
const (
	PauseImage   = "lab.local/pause:1"
	AppImage     = "lab.local/app:v1"     // the program of lab/app, with busybox for a shell
	BadArchImage = "lab.local/badarch:v1" // its program is of another architecture
	UserImage    = "lab.local/user:v1"    // its user is a name, not a number
)

// busyboxNames are the tools that work in a static busybox; wget does not (it
// wants the C library's name service), the app's get mode stands in for it.
const busyboxNames = "sh ls cat echo nc sleep ps env date touch rm true false kill id hostname ip mkdir dd stat grep head tail df free"

// brokenScripts are files of the app image that cannot be started, each for
// another reason.
var brokenScripts = []image.File{
	{Path: "/scripts/no-interpreter", Mode: 0o755, Data: []byte("#!/usr/bin/python3\nprint('hello')\n")},
	{Path: "/scripts/crlf", Mode: 0o755, Data: []byte("#!/bin/sh\r\necho hello\r\n")},
	{Path: "/scripts/not-executable", Mode: 0o644, Data: []byte("#!/bin/sh\necho hello\n")},
	{Path: "/scripts/no-shebang", Mode: 0o755, Data: []byte("echo hello\n")},
}

func imagesPart(c *Cache, debian string) (part, error) {
	source := filepath.Join(c.Source, "app")
	key, err := contents(source)
	if err != nil {
		return part{}, err
	}
	for _, code := range []string{"internal/image/image.go", "internal/build/images.go"} {
		text, err := os.ReadFile(filepath.Join(c.Source, code))
		if err != nil {
			return part{}, err
		}
		key = append(key, string(text))
	}
	key = append(key, filepath.Base(debian), runtime.GOARCH)
	return part{name: "images", key: key, make: func(ctx context.Context, dir string) error {
		return c.makeImages(ctx, dir, debian)
	}}, nil
}

func (c *Cache) makeImages(ctx context.Context, dir, debian string) error {
	app, err := c.buildApp(ctx, dir)
	if err != nil {
		return err
	}
	busybox, err := os.ReadFile(filepath.Join(debian, "bin", "busybox"))
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(dir, "images.tar"))
	if err != nil {
		return err
	}
	if err := image.Write(out, runtime.GOARCH, images(app, foreign(app), busybox)); err != nil {
		return err
	}
	return out.Close()
}

func images(app, alien, busybox []byte) []image.Image {
	program := image.File{Path: "/app", Mode: 0o755, Data: app}
	tools := []image.File{program, {Path: "/bin/busybox", Mode: 0o755, Data: busybox}}
	for name := range strings.FieldsSeq(busyboxNames) {
		tools = append(tools, image.File{Path: "/bin/" + name, Link: "busybox"})
	}
	tools = append(tools, brokenScripts...)
	passwd := image.File{Path: "/etc/passwd", Mode: 0o644, Data: []byte("root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n")}
	return []image.Image{
		{Tag: PauseImage, Entrypoint: []string{"/pause"}, Files: []image.File{{Path: "/pause", Mode: 0o755, Data: app}}},
		{Tag: AppImage, Entrypoint: []string{"/app"}, Files: tools},
		{Tag: BadArchImage, Entrypoint: []string{"/app"}, Files: []image.File{{Path: "/app", Mode: 0o755, Data: alien}}},
		{Tag: UserImage, Entrypoint: []string{"/app"}, User: "app", Files: []image.File{program, passwd}},
	}
}

func (c *Cache) buildApp(ctx context.Context, dir string) ([]byte, error) {
	file := filepath.Join(dir, "app")
	if err := c.gotool(ctx, c.Source, nil, "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "./app"); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(file)
	return program, errors.Join(err, os.Remove(file))
}

// foreign turns a program into one of another architecture as far as the
// kernel looks: the machine in its ELF header, see elf(5). To compile it anew
// would cost a minute and change nothing.
func foreign(program []byte) []byte {
	const machine = 18 // offset of e_machine
	other := elf.EM_AARCH64
	if runtime.GOARCH == "arm64" {
		other = elf.EM_X86_64
	}
	changed := slices.Clone(program)
	binary.LittleEndian.PutUint16(changed[machine:], uint16(other))
	return changed
}
