// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	managerName = "org.freedesktop.systemd1"
	unitPath    = "/org/freedesktop/systemd1/unit/"
	busTime     = 2 * time.Second
)

// A manager is the connection to systemd, and what was told of its units.
type manager struct {
	wait  time.Duration // for all answers of one look
	bus   *dbus.Conn
	units map[string]*unit
}

// A unit is what systemd says of one (org.freedesktop.systemd1(5)).
type unit struct {
	load, active, result string
	restarts             uint32
	started              uint64 // microseconds since 1970
	status               int32
}

func (m *manager) close() {
	if m.bus != nil {
		_ = m.bus.Close()
		m.bus = nil
	}
}

// unitsOf asks for the units, and tells of those that began anew or failed. It has no right to more than to ask.
func (c *Checker) unitsOf(whole context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(whole, c.manager.wait)
	defer cancel()
	m := &c.manager
	err := m.connect(ctx, c.options.Systemd)
	for _, name := range c.options.Units {
		if err != nil {
			break
		}
		var u *unit
		if u, err = m.ask(ctx, name); err == nil {
			c.unit(name, u)
		}
	}
	if err == nil {
		c.there("units", "systemd")
		return 0
	}
	m.close()
	if whole.Err() == nil {
		c.missing("units", "systemd", "systemd was not asked: "+err.Error())
	}
	return fileEvery
}

func (m *manager) connect(ctx context.Context, socket string) error {
	if m.bus != nil {
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	until, _ := ctx.Deadline()
	err = conn.SetDeadline(until)
	bus, refused := dbus.NewConn(conn)
	if err = errors.Join(err, refused); err == nil {
		err = greet(bus)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	m.bus = bus
	return nil
}

// greet says who we are, and takes a name.
func greet(bus *dbus.Conn) error {
	if err := bus.Auth(nil); err != nil {
		return err
	}
	return bus.Hello()
}

// ask reads what there is to know of a unit.
func (m *manager) ask(ctx context.Context, name string) (*unit, error) {
	u := &unit{}
	object := m.bus.Object(managerName, dbus.ObjectPath(unitPath+escape(name)))
	for _, of := range []struct {
		kind, name string
		to         any
	}{
		{"Unit", "LoadState", &u.load}, {"Unit", "ActiveState", &u.active}, {"Service", "NRestarts", &u.restarts},
		{"Service", "Result", &u.result}, {"Service", "ExecMainStartTimestamp", &u.started}, {"Service", "ExecMainStatus", &u.status},
	} {
		var value dbus.Variant
		call := object.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, managerName+"."+of.kind, of.name)
		if err := call.Store(&value); err != nil {
			return nil, err
		}
		if err := value.Store(of.to); err != nil {
			return nil, err
		}
		if u.load == "not-found" {
			break
		}
	}
	return u, nil
}

// escape makes part of an object's path of a name, as sd_bus_path_encode(3) does.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// unit tells what is new of a unit. The first look tells of what failed only.
func (c *Checker) unit(name string, u *unit) {
	before := c.manager.units[name]
	c.manager.units[name] = u
	if u.load == "not-found" {
		return
	}
	text := fmt.Sprintf("%s: ActiveState=%s Result=%s ExecMainStatus=%d NRestarts=%d", name, u.active, u.result, u.status, u.restarts)
	where := "systemd " + name
	if u.active == "failed" && (before == nil || before.active != "failed") {
		c.fact(evidence.FromKubelet, c.options.Now(), where, "unit-failed", text, float64(u.status))
	}
	if before != nil && u.started > before.started {
		at := time.UnixMicro(int64(min(u.started, 1<<60)))
		c.fact(evidence.FromKubelet, at, where, "unit-start", "Started "+text, float64(u.restarts))
	}
}
