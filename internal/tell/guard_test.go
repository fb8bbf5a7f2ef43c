// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAdmit(t *testing.T) {
	for expected, texts := range map[error]string{
		errNever: `169.254.169.254 169.254.170.2 169.254.0.1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe 2002:a9fe:a9fe::1
			::169.254.169.254 ::ffff:0:169.254.169.254 fe80::1 fe80::a9fe:a9fe%eth0 fec0::1 fd00:ec2::254 fd20:ce::254 100.100.100.200
			168.63.129.16 192.0.0.192 0.0.0.0 0.1.2.3 :: 224.0.0.1 239.255.255.250 255.255.255.255 240.0.0.1 ff02::1 2002:0000:0001::1
			64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:a9:fe:a9fe:: 64:ff9b:1::a9:fea9:fe00:0 2001:0:a9fe:a9fe::1 2001:0:808:808::5601:5601 2001:db8::5efe:a9fe:a9fe 2001:db8::200:5efe:a9fe:a9fe`,
		errInside: `127.0.0.1 127.8.8.8 ::1 10.0.0.1 10.96.0.10 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 fc00::1 fd12:3456::1
			::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1::1 2002:c0a8:101:: ::127.0.0.1 ::10.0.0.1
			64:ff9b:1:a00:0:100:: 64:ff9b:1:0a:0:1:: 64:ff9b:1::808:808 2001:0:a00:1::f7f7:f7f7 2001:0:808:808::f5ff:fffe 2001:db8::5efe:a00:1`,
		nil: "8.8.8.8 1.1.1.1 172.15.0.1 172.32.0.1 100.128.0.1 169.253.1.1 2001:4860:4860::8888 64:ff9b::808:808 2002:808:808::1 11.0.0.1 128.0.0.1 2001:0:808:808::f7f7:f7f7 2001:db8::5efe:808:808",
	} {
		for text := range strings.FieldsSeq(texts) {
			ip := netip.MustParseAddr(text)
			want(t, text, admit(ip, false), expected)
			if errors.Is(expected, errInside) {
				expected := error(nil)
				want(t, text+" where private is allowed", admit(ip, true), expected)
			} else {
				want(t, text+" where private is allowed", admit(ip, true), expected)
			}
		}
	}
}

// TestCanary: however the address of this machine is written, nothing reaches it that is not allowed to.
func TestCanary(t *testing.T) {
	var heard atomic.Int64
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	hosts := strings.FieldsSeq("127.0.0.1 localhost LOCALHOST localhost. 127.1 0x7f000001 2130706433 0177.0.0.1 0 0.0.0.0 [::1] [::ffff:127.0.0.1] [::] " +
		"[::127.0.0.1] [0:0:0:0:0:ffff:7f00:1] 127.0.0.1. %6c%6f%63alhost")
	for host := range hosts {
		for _, text := range []string{"http://" + host + ":" + port + "/", "http://user:word@" + host + ":" + port + "/api", "https://" + host + ":" + port} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if post(ctx, client(false, time.Second), text, nil, nil) == nil {
				t.Errorf("%s was sent to", text)
			}
			cancel()
		}
	}
	want(t, "connections", heard.Load(), 0)
	if post(t.Context(), client(true, time.Second), "http://127.0.0.1:"+port, nil, nil) == nil || heard.Load() == 0 {
		t.Error("the canary does not hear what is allowed")
	}
}

// TestPause reads what targets say of when to come back.
func TestPause(t *testing.T) {
	for text, expected := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "-1": 0, "x": 0, noon.Add(time.Minute).Format(http.TimeFormat): time.Minute, noon.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		want(t, text, pauseOf(text, noon), expected)
	}
}
