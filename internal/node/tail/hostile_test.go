// SPDX-License-Identifier: Apache-2.0

//go:build linux

package tail

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// secret is what lies outside, in a file of the form of a log. None of it may ever be read.
const secret = "2026-01-02T03:04:05.000000000Z stdout F seq=99999999 secret\n"

// A trap is something that a pod with access to the directory could put there. It gets the directory of a container,
// and that of a file outside.
type trap func(dir, outside string) error

func link(name, target string) trap {
	return func(dir, outside string) error {
		return os.Symlink(strings.ReplaceAll(target, "OUT", outside), filepath.Join(dir, name))
	}
}

func fifo(name string) trap {
	return func(dir, _ string) error { return unix.Mkfifo(filepath.Join(dir, name), 0o644) }
}

func hard(name string) trap {
	return func(dir, outside string) error {
		return os.Link(filepath.Join(outside, "secret"), filepath.Join(dir, name))
	}
}

func folder(name string) trap {
	return func(dir, _ string) error { return os.MkdirAll(filepath.Join(dir, name), 0o755) }
}

func socket(name string) trap {
	return func(dir, _ string) error {
		here, err := os.Open(dir) // the path of a socket has to be short
		if err != nil {
			return err
		}
		defer here.Close()
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: self(int(here.Fd())) + "/" + name})
		if err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)
		return l.Close()
	}
}

// named makes a file of that name with the secret in it: the name alone must keep it from being read.
func named(name string) trap {
	return func(dir, _ string) error { return os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o644) }
}

// above makes a directory beside the pods or the containers.
func above(up, name string) trap {
	return func(dir, _ string) error {
		at := filepath.Join(dir, up, name)
		return errors.Join(os.MkdirAll(filepath.Join(at, "app"), 0o755), os.WriteFile(filepath.Join(at, "0.log"), []byte(secret), 0o644), os.WriteFile(filepath.Join(at, "app", "0.log"), []byte(secret), 0o644))
	}
}

func dirLink(up, name string) trap {
	return func(dir, outside string) error { return os.Symlink(outside, filepath.Join(dir, up, name)) }
}

// sparse makes a file that says that it is long, and holds nothing.
func sparse(name string) trap {
	return func(dir, _ string) error {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return errors.Join(f.Truncate(1<<40), f.Close())
	}
}

func bomb(dir, _ string) error {
	f, err := os.Create(filepath.Join(dir, "3.log.20260101-000000.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	_, err = w.Write(make([]byte, 1<<20))
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	_, err = f.Write(bytes.Repeat(member.Bytes(), mostUnpacked>>20+1)) // one file of many members, as gzip reads it
	return err
}

var traps = map[string]trap{
	"link to a file":              link("1.log", "OUT/secret"),
	"link to a rotated name":      link("1.log.20260101-000000", "OUT/secret"),
	"link to a compressed name":   link("1.log.20260101-000000.gz", "OUT/secret"),
	"link to a link":              link("1.log", "OUT/link"),
	"link upwards":                link("1.log", "../../../../../../../../etc/passwd"),
	"link to itself":              link("1.log", "1.log"),
	"link to nowhere":             link("1.log", "nowhere"),
	"link to a good log":          link("1.log", "0.log"),
	"link to shadow":              link("1.log", "/etc/shadow"),
	"link to zero":                link("1.log", "/dev/zero"),
	"link to null":                link("1.log", "/dev/null"),
	"link to a terminal":          link("1.log", "/dev/tty"),
	"link to memory":              link("1.log", "/proc/self/mem"),
	"link to a descriptor":        link("1.log", "/proc/self/fd/0"),
	"link to root by magic":       link("1.log", "/proc/self/root/etc/passwd"),
	"link to cwd by magic":        link("1.log", "/proc/self/cwd"),
	"link to the environment":     link("1.log", "/proc/self/environ"),
	"link to the kernel's log":    link("1.log", "/proc/kmsg"),
	"link to sysfs":               link("1.log", "/sys/kernel/notes"),
	"link to a FIFO":              link("1.log", "OUT/fifo"),
	"link to a folder":            link("1.log", "OUT"),
	"link as Docker's, off":       link("1.log", "/var/lib/docker/containers/"+strings.Repeat("a", 64)+"/"+strings.Repeat("a", 64)+"-json.log"),
	"link with a long target":     link("1.log", strings.Repeat("a/", 1500)),
	"FIFO":                        fifo("1.log"),
	"FIFO of a rotated name":      fifo("1.log.20260101-000000"),
	"FIFO of a compressed name":   fifo("1.log.20260101-000000.gz"),
	"FIFO in the place of a pod":  func(dir, _ string) error { return unix.Mkfifo(filepath.Join(dir, "../../a_b_c1"), 0o644) },
	"FIFO for a container":        func(dir, _ string) error { return unix.Mkfifo(filepath.Join(dir, "../fifo"), 0o644) },
	"socket":                      socket("1.log"),
	"socket of a rotated name":    socket("1.log.20260101-000000"),
	"folder":                      folder("1.log"),
	"folder of a rotated name":    folder("1.log.20260101-000000"),
	"folder of a compressed name": folder("1.log.20260101-000000.gz/0.log"),
	"deep folders":                folder(strings.Repeat("d/", 200)),
	"hard link":                   hard("1.log"),
	"hard link, rotated":          hard("1.log.20260101-000000"),
	"hard link, compressed":       hard("1.log.20260101-000000.gz"),
	"link for a pod":              dirLink("../..", "a_b_c2"),
	"link for a container":        dirLink("..", "linked"),
	"pod with two parts":          above("../..", "shop_web-0"),
	"pod with four parts":         above("../..", "shop_web-0_uid_more"),
	"pod without a name":          above("../..", "shop__uid"),
	"pod without a UID":           above("../..", "shop_web-0_"),
	"pod with a space":            above("../..", "shop_web 0_uid"),
	"pod with a line break":       above("../..", "shop_web-0_u\nid"),
	"pod with an escape":          above("../..", "shop_web-0_\x1b[2J"),
	"pod in capitals":             above("../..", "SHOP_web-0_uid"),
	"pod with dots":               above("../..", "shop_.._uid"),
	"pod of invalid UTF-8":        above("../..", "shop_web-0_\xff\xfe"),
	"pod of a long UID":           above("../..", "shop_web-0_"+strings.Repeat("u", 200)),
	"container in capitals":       above("..", "APP"),
	"container with a dot":        above("..", "a.b"),
	"container that is hidden":    above("..", ".hidden"),
	"container of dots":           above("..", "..."),
	"container with a dash first": above("..", "-rf"),
	"container of a long name":    above("..", strings.Repeat("a", 200)),
	"container with a NUL's text": above("..", "a\\0b"),
	"log without a number":        named(".log"),
	"log of a negative number":    named("-1.log"),
	"log with a plus":             named("+1.log"),
	"log with leading zeros":      named("001.log"),
	"log of a great number":       named("99999999999999999999.log"),
	"log of a hexadecimal number": named("0x1.log"),
	"log with letters":            named("app.log"),
	"log of another ending":       named("1.txt"),
	"log with a space":            named("1.log .gz"),
	"log with an escape":          named("1.log.\x1b[2J"),
	"log with a line break":       named("1.log\n"),
	"log being compressed":        named("1.log.20260101-000000.tmp"),
	"log of a long name":          named("1.log." + strings.Repeat("x", 200)),
	"log of invalid UTF-8":        named("1.log.\xff"),
	"no gzip":                     named("1.log.20260101-000000.gz"),
	"bomb":                        bomb,
	"sparse":                      sparse("1.log"),
	"sparse, rotated":             sparse("1.log.20260101-000000"),
	"sparse, compressed":          sparse("1.log.20260101-000000.gz"),
	"many entries": func(dir, _ string) error {
		for i := range maxEntries + 100 {
			if err := os.WriteFile(filepath.Join(dir, "x"+strings.Repeat("y", i%50)+string(rune('a'+i%26))+strings.Repeat("z", i/50%200)), nil, 0o644); err != nil {
				return err
			}
		}
		return nil
	},
}

// TestHostile sets each trap before and while a container logs. The secret is never read, and the log always is.
func TestHostile(t *testing.T) {
	if len(traps) < 60 {
		t.Fatalf("%d traps", len(traps))
	}
	t.Logf("%d hostile files, each before and while a container logs; TestHostileSwap has 3 races, TestHostileAsRoot what only root can make", len(traps))
	for name, set := range traps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil)
			outside := t.TempDir()
			n.must(os.WriteFile(filepath.Join(outside, "secret"), []byte(secret), 0o644))
			n.must(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(outside, "link")))
			n.must(unix.Mkfifo(filepath.Join(outside, "fifo"), 0o644))
			n.must(os.Mkdir(filepath.Join(outside, "app"), 0o755))
			n.must(os.WriteFile(filepath.Join(outside, "app", "0.log"), []byte(secret), 0o644))
			n.must(os.WriteFile(filepath.Join(outside, "0.log"), []byte(secret), 0o644))
			c := n.container()
			n.must(set(c.dir, outside))
			c.fill(10, "some text")
			n.until("the good log", n.has(c.seq-1))
			n.stop() // and with all there at the start
			n.start()
			c.fill(10, "some text")
			n.until("the good log", n.has(c.seq-1))
			n.none(c.seq)
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.seen[99999999] > 0 {
				t.Error("a file outside was read")
			}
		})
	}
}

// TestHostileSwap swaps a log and a link to a file outside as fast as it can, in the place of the log, of the container
// and of the pod.
func TestHostileSwap(t *testing.T) {
	for _, depth := range []string{".", "..", "../.."} {
		n := newNode(t, nil)
		outside := t.TempDir()
		for _, name := range []string{"0.log", "1.log", "app/1.log", "trap_trap_trap/app/1.log"} {
			n.must(os.MkdirAll(filepath.Dir(filepath.Join(outside, name)), 0o755))
			n.must(os.WriteFile(filepath.Join(outside, name), []byte(secret), 0o644))
		}
		c := n.container()
		place := filepath.Join(c.dir, depth, map[string]string{".": "1.log", "..": "other", "../..": "a_b_c"}[depth])
		good := place + "-good"
		if depth == "." {
			n.must(os.WriteFile(good, []byte("2026-01-02T03:04:05.000000000Z stdout F nothing\n"), 0o644))
		} else {
			n.must(os.MkdirAll(good, 0o755))
		}
		n.must(os.Symlink(filepath.Join(outside, map[string]string{".": "0.log", "..": "app", "../..": "trap_trap_trap"}[depth]), place))
		for range 5 {
			for range 2000 {
				n.must(unix.Renameat2(unix.AT_FDCWD, good, unix.AT_FDCWD, place, unix.RENAME_EXCHANGE))
			}
			c.fill(10, "some text")
			n.until("the good log", n.has(c.seq-1))
		}
		n.none(c.seq)
		n.mu.Lock()
		if n.seen[99999999] > 0 {
			t.Errorf("a file outside was read: %s", depth)
		}
		n.mu.Unlock()
	}
}
