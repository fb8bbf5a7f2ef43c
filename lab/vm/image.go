// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// initramfs writes an archive with this program as /init, and the program to run with its arguments (kernel
// Documentation/driver-api/early-userspace/buffer-format.rst).
func initramfs(w io.Writer, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	a := archive{w: out}
	for _, dir := range []string{"dev", "proc", "sys", "tmp"} {
		a.entry(dir, 0o040755, nil)
	}
	for _, f := range []struct{ name, from string }{{"init", self}, {"program", args[0]}} {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		a.entry(f.name, 0o100755, data)
	}
	a.entry("arguments", 0o100644, []byte(strings.Join(args, "\x00")+"\x00"))
	a.entry("TRAILER!!!", 0, nil)
	return errors.Join(a.err, out.Flush())
}

// An archive is written in the form "newc" of cpio.
type archive struct {
	w     io.Writer
	inode int
	err   error
}

func (a *archive) entry(name string, mode int, data []byte) {
	a.inode++
	a.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name))
	a.write(data)
}

// write writes a part and fills it up to a multiple of four.
func (a *archive) write(data []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(append(slices.Clip(data), make([]byte, -len(data)&3)...))
	}
}

// kernelImage is Debian's kernel for virtual machines: what does no harm in the cloud does none here.
const kernelImage = "linux-image-cloud-amd64"

// unpacked returns the system in a directory, and fills the directory the first time.
func unpacked(ctx context.Context, dir string) (system, error) {
	if _, err := os.Stat(dir); err != nil {
		partial := dir + ".partial"
		if err := os.RemoveAll(partial); err != nil {
			return system{}, err
		}
		if err := unpack(ctx, partial); err != nil {
			return system{}, fmt.Errorf("unpack qemu and a kernel: %w", err)
		}
		if err := os.Rename(partial, dir); err != nil {
			return system{}, err
		}
	}
	kernels, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return system{}, fmt.Errorf("%s holds %d kernels, expected one: remove it", dir, len(kernels))
	}
	return system{dir, kernels[0]}, nil
}

// wanted are lines of apt-cache that name a package.
var wanted = regexp.MustCompile(`(?m)^[a-z0-9][a-z0-9+.-]*$`)

// unpack downloads qemu with all that it needs, and the kernel. The package lists are kept there too, so that the
// machine's own state is neither needed nor changed.
func unpack(ctx context.Context, dir string) error {
	apt := filepath.Join(dir, "apt")
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(apt, sub), 0o755); err != nil {
			return err
		}
	}
	options := []string{"-o", "APT::Sandbox::User=root", "-o", "Dir::State::Lists=" + filepath.Join(apt, "lists"), "-o", "Dir::Cache=" + apt}
	if _, err := command(ctx, apt, "apt-get", append(options, "-qq", "update")...); err != nil {
		return err
	}
	needs, err := command(ctx, apt, "apt-cache", append(options, "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
		"--no-replaces", "--no-enhances", "qemu-system-x86")...)
	if err != nil {
		return err
	}
	kernel, err := command(ctx, apt, "apt-cache", append(options, "depends", kernelImage)...)
	if err != nil {
		return err
	}
	packages := wanted.FindAllString(needs, -1)
	for field := range strings.FieldsSeq(kernel) {
		if strings.HasPrefix(field, "linux-image-") && field != kernelImage {
			packages = append(packages, field)
		}
	}
	if _, err := command(ctx, apt, "apt-get", append(append(options, "-qq", "download"), packages...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(apt, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if _, err := command(ctx, apt, "dpkg", "-x", deb, dir); err != nil {
			return err
		}
	}
	return os.RemoveAll(apt)
}

// command runs a command and returns what it says.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
