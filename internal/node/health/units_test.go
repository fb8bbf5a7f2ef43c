// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// A systemd answers as systemd does on the system's bus, of one unit.
type systemd struct {
	mu      sync.Mutex
	kubelet map[string]any
}

func (s *systemd) set(name string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kubelet[name] = value
}

// of is a property of the kubelet's unit; there is no other.
func (s *systemd) of(path dbus.ObjectPath, name string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path == unitPath+"kubelet_2eservice" {
		return s.kubelet[name]
	}
	return map[string]any{"LoadState": "not-found", "ActiveState": "inactive"}[name]
}

// serve takes a connection: first the words of authentication, then messages (the D-Bus specification).
func (s *systemd) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	_, _ = r.ReadByte()
	for {
		said, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(said)
		switch {
		case words[0] == "BEGIN":
			s.messages(r, conn)
			return
		case words[0] == "AUTH" && len(words) > 1:
			_, _ = conn.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
		case words[0] == "AUTH":
			_, _ = conn.Write([]byte("REJECTED EXTERNAL\r\n"))
		default:
			_, _ = conn.Write([]byte("ERROR\r\n"))
		}
	}
}

func (s *systemd) messages(r *bufio.Reader, conn net.Conn) {
	for serial := uint32(1); ; serial++ {
		m, err := dbus.DecodeMessage(r)
		if err != nil {
			return
		}
		var body any = ":1.1"
		if member, _ := m.Headers[dbus.FieldMember].Value().(string); member == "Get" {
			path, _ := m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
			name, _ := m.Body[1].(string)
			body = dbus.MakeVariant(s.of(path, name))
		}
		reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(m.Serial()), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(body)),
		}, Body: []any{body}}
		var raw bytes.Buffer
		if err := reply.EncodeTo(&raw, binary.LittleEndian); err != nil {
			return
		}
		binary.LittleEndian.PutUint32(raw.Bytes()[8:], serial)
		_, _ = conn.Write(raw.Bytes())
	}
}

func TestUnits(t *testing.T) {
	w := newWorld(t)
	s := &systemd{kubelet: map[string]any{
		"LoadState": "loaded", "ActiveState": "active", "NRestarts": uint32(0), "Result": "success",
		"ExecMainStartTimestamp": uint64(noon.Add(-time.Hour).UnixMicro()), "ExecMainStatus": int32(0),
	}}
	socket := filepath.Join(w.root, "bus")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	c := w.checker(Options{Systemd: socket, Units: []string{"kubelet.service", "crio.service"}})
	c.unitsOf(t.Context())
	if got := w.texts(); got != "" {
		t.Errorf("of units that are well: %s", got)
	}
	s.set("NRestarts", uint32(1))
	s.set("ExecMainStartTimestamp", uint64(noon.Add(time.Minute).UnixMicro()))
	s.set("Result", "exit-code")
	s.set("ExecMainStatus", int32(1))
	c.unitsOf(t.Context())
	s.set("ActiveState", "failed")
	c.unitsOf(t.Context())
	c.unitsOf(t.Context())
	if diff := cmp.Diff(`unit-start 1 12:01:00: Started kubelet.service: ActiveState=active Result=exit-code ExecMainStatus=1 NRestarts=1
unit-failed 1 12:00:00: kubelet.service: ActiveState=failed Result=exit-code ExecMainStatus=1 NRestarts=1`, w.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHungSystemd: a bus that takes connections and never answers is told of, once.
func TestHungSystemd(t *testing.T) {
	w := newWorld(t)
	socket := filepath.Join(w.root, "bus")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	c := w.checker(Options{Systemd: socket, Units: []string{"kubelet.service"}})
	c.manager.wait = 50 * time.Millisecond
	c.unitsOf(t.Context())
	c.unitsOf(t.Context())
	if got := w.texts(); strings.Count(got, "gap units ") != 1 || !strings.Contains(got, "systemd was not asked") {
		t.Errorf("told %s", got)
	}
}
