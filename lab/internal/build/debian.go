// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// debianPackages are the programs that are not built from Go modules here, and
// the libraries they need that a small Debian may lack.
var debianPackages = []string{
	"runc", "libseccomp2",
	"containernetworking-plugins",
	"nftables", "libnftables1", "libnftnl11", "libmnl0", "libjansson4", "libxtables12", "libgmp10", "libedit2", "libbsd0", "libmd0", "libtinfo6",
	"busybox-static",
}

// debianPrograms are where the packages put what the machines run.
var debianPrograms = []string{"usr/sbin/runc", "usr/bin/runc", "usr/sbin/nft"}

func debianPart() part {
	release, _ := os.ReadFile("/etc/os-release") // absent: then apt-get will say what is wrong
	key := append([]string{runtime.GOARCH, string(release)}, debianPackages...)
	return part{name: "debian", key: key, make: unpackDebian}
}

// unpackDebian downloads and unpacks the packages. The package lists are kept
// in the cache too: the machine's own apt state is neither needed nor changed.
func unpackDebian(ctx context.Context, dir string) error {
	for _, tool := range []string{"apt-get", "dpkg"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not here: the lab takes runc, CNI plugins, nft and busybox from Debian packages", tool)
		}
	}
	apt := filepath.Join(dir, "apt")
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(apt, sub), 0o755); err != nil {
			return err
		}
	}
	options := []string{
		"-qq", "-o", "APT::Sandbox::User=root",
		"-o", "Dir::State::Lists=" + filepath.Join(apt, "lists"), "-o", "Dir::Cache=" + apt,
	}
	if err := quiet(ctx, apt, "apt-get", append(options, "update")...); err != nil {
		return err
	}
	if err := quiet(ctx, apt, "apt-get", append(append(options, "download"), debianPackages...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(apt, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if err := quiet(ctx, apt, "dpkg", "-x", deb, dir); err != nil {
			return err
		}
	}
	return os.RemoveAll(apt)
}

// quiet runs a command whose output matters only when it goes wrong.
func quiet(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func linkDebian(links map[string]string, debian string) error {
	for _, program := range debianPrograms {
		file := filepath.Join(debian, program)
		if _, err := os.Stat(file); err == nil {
			links[filepath.Base(program)] = file
		}
	}
	for _, want := range []string{"runc", "nft"} {
		if links[want] == "" {
			return fmt.Errorf("the Debian packages hold no %s", want)
		}
	}
	return nil
}
