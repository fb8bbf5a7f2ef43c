// SPDX-License-Identifier: Apache-2.0

package create

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A trouble is what the runtime refused a container for.
type trouble string

const (
	other     trouble = ""
	slow      trouble = "slow"
	command   trouble = "command"
	arguments trouble = "arguments" // too long: a fault of the configuration
	memory    trouble = "memory"    // the kernel killed the runtime's first process
	volume    trouble = "volume"    // an image volume: a fault of the image
	mountType trouble = "mount type"
	mount     trouble = "mount"
	profile   trouble = "profile"
	capable   trouble = "capability"
	kernel    trouble = "sysctl"
	cgroup    trouble = "cgroup"
	dead      trouble = "dead"
	readOnly  trouble = "recursive read-only"
	device    trouble = "device"
	noRoom    trouble = "no room"
	identity  trouble = "identity"
)

// wordings tell the troubles apart; the first that occurs decides. What names a thing comes before what names a
// syscall's error, because every error of a mount, a profile or a program ends in the same few words. They are those of
// runc (libcontainer), crun, containerd (internal/cri/server, pkg/oci), CRI-O (server/container_create.go), moby (daemon)
// and the NVIDIA container toolkit.
var wordings = []struct {
	why   trouble
	parts []string
}{
	{volume, []string{"imagevolumemountfailed"}},
	{readOnly, []string{"rrounsupported", "recursive read-only"}},
	{slow, []string{
		"failed to reserve container name", "is reserved for", "is already reserved", "name is reserved", "is already in use by",
		"context deadline exceeded", "deadlineexceeded", "context canceled",
	}},
	{memory, []string{"oom-killed", "memory limit too low", "set memory limit", "minimum memory limit"}},
	{arguments, []string{"argument list too long"}},
	{device, []string{
		"nvidia-container-cli", "nvidia-container-runtime", "cdi device", "could not select device driver", "gathering device information",
		"adding custom device", "not a device node",
	}},
	{profile, []string{"seccomp", "apparmor", "selinux", "/attr/exec", "/attr/keycreate"}},
	{capable, []string{"apply caps", "unknown capability", "invalid capability"}},
	{kernel, []string{"sysctl"}},
	{cgroup, []string{"cgroup"}},
	{identity, []string{
		"unable to find user", "unable to find group", "no users found", "no groups found", "no matching entries in passwd", "no matching entries in group",
		"unknown user", "chdir to cwd", "chdir to `", "container init: mkdir ",
	}},
	{noRoom, []string{"no space left on device", "disk quota exceeded", "thin pool has"}},
	{mountType, []string{"a directory onto a file", "mounting", "mount `"}}, // with the type in question
	{mount, []string{
		"error mounting", "failed to mount", "bind source path does not exist", "create mountpoint", "mountpoint for", "failed to stat \"", "failed to mkdir",
		"error creating mount", "error while creating mount source path", "` to `", "cannot stat ", "is mounted on", "invalid mount",
	}},
	{dead, []string{"container process is already dead", "cannot start a container that has stopped", "is not in 'created' state"}},
	{command, []string{"exec format error", "no command specified", "executable file", "open executable"}},
}

// execError is how a runtime tells of a program that it cannot run: runc's and Go's exec.LookPath.
var execError = regex.New(`(^|: )exec:? ["/]|exec user process|exec container process`)

// classify tells what the runtime refused a container for by its words.
func classify(text string) trouble {
	text = strings.ToLower(text)
	program := execError.MatchString(text)
	for _, w := range wordings {
		for _, part := range w.parts {
			ofType := w.why != mountType || strings.Contains(text, "not a directory") || strings.Contains(text, "is a directory")
			ofProgram := program && w.why != memory && w.why != arguments && w.why != volume && !strings.Contains(text, "apparmor_parser")
			if strings.Contains(text, part) && ofType && !ofProgram {
				return w.why
			}
		}
	}
	if program {
		return command
	}
	return other
}

// layers are what the parts of a node put before the error of the one below, and where in a source file it arose.
var (
	layers = []string{
		"desc = ", "Error response from daemon: ", "failed to create containerd container: ", "failed to create containerd task: ", "create failed: ",
		"start failed: ", "failed to apply OCI options: ", "failed to generate spec: ", "container process: ", "starting container process caused: ",
		"container init: ", "container init caused: ", "container create failed: ", "nvidia-container-cli: ",
	}
	source = regex.New(`\w+_linux\.go:\d+: `)
	spec   = regex.New(`failed to generate container "[^"]*" spec: `)
)

// said returns what the runtime said last, cut to what fits a sentence.
func said(text string) string {
	const most = 240
	if text = inner(text); len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}

// inner returns what the runtime said last, without the layers that passed it on.
func inner(text string) string {
	text = spec.ReplaceAllString(source.ReplaceAllString(text, ""), "")
	for _, layer := range layers {
		if i := strings.LastIndex(text, layer); i >= 0 {
			text = text[i+len(layer):]
		}
	}
	text = strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ": unknown")
	return strings.TrimRight(strings.ReplaceAll(text, `\"`, `"`), ".")
}
