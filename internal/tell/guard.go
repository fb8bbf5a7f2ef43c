// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// patience is how long a target has to answer.
const patience = 10 * time.Second

// never are addresses that nothing is sent to, whatever is configured: those of metadata services, which hand out
// credentials to whoever can make a program of the node ask, and what is no address of one machine.
var never = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24",
	"::/128", "fe80::/10", "ff00::/8", "fec0::/10", "fd00:ec2::/32", "fd20:ce::/32",
)

// inside are addresses that a target has to be allowed.
var inside = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "198.18.0.0/15",
	"::1/128", "fc00::/7",
)

// wrapped are addresses of IPv6 that lead to the IPv4 address in them, with its places: NAT64 (RFC 6052; what of the prefix for local
// use, of RFC 8215, is the address each network decides), 6to4, and the forms that are compatible or mapped.
var wrapped = []struct {
	prefix netip.Prefix
	at     [][4]int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), last}, {netip.MustParsePrefix("2002::/16"), [][4]int{{2, 3, 4, 5}}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}}},
	{netip.MustParsePrefix("::/96"), last}, {netip.MustParsePrefix("::ffff:0:0:0/96"), last},
}

var (
	last   = [][4]int{{12, 13, 14, 15}}
	local  = netip.MustParsePrefix("64:ff9b:1::/48")
	teredo = netip.MustParsePrefix("2001::/32") // RFC 4380: of the server, and that of the client with all its bits turned
	isatap = []byte{0, 0, 0x5e, 0xfe}           // RFC 5214: where the interface's part begins; the first bit but one of it may be set
)

// within returns the IPv4 addresses that an address leads to.
func within(ip netip.Addr) (all []netip.Addr) {
	if ip.Is4() || ip == netip.IPv6Loopback() || ip.IsUnspecified() {
		return nil
	}
	b := ip.As16()
	for _, w := range wrapped {
		for _, at := range w.at {
			inner := netip.AddrFrom4([4]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]})
			if w.prefix.Contains(ip) && (len(w.at) == 1 || inner.As4()[0] != 0) { // read at a place where none is
				all = append(all, inner)
			}
		}
	}
	if teredo.Contains(ip) {
		all = append(all, netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	if b[8] &^= 2; bytes.Equal(b[8:12], isatap) {
		all = append(all, netip.AddrFrom4([4]byte(b[12:])))
	}
	return all
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

var (
	errNever    = errors.New("the address is link-local, of a metadata service, or of no machine: nothing is sent there")
	errInside   = errors.New("the address is private: set private: true for the target if that is meant")
	errRedirect = errors.New("the target redirects, which is not followed: give the address that it leads to")
)

// admit tells whether something may be sent to an address.
func admit(ip netip.Addr, private bool) error {
	ip = ip.Unmap().WithZone("")
	for _, inner := range within(ip) {
		if err := admit(inner, private); err != nil {
			return err
		}
	}
	if local.Contains(ip) && !private {
		return errInside
	}
	for _, p := range never {
		if p.Contains(ip) {
			return errNever
		}
	}
	for _, p := range inside {
		if p.Contains(ip) && !private {
			return errInside
		}
	}
	return nil
}

// dialer connects to addresses that are admitted. It looks at the address that is connected to, after names are
// resolved, so that a name which leads elsewhere the second time gains nothing.
func dialer(private bool) *net.Dialer {
	return &net.Dialer{Timeout: patience, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("connect to no address: %w", err)
		}
		return admit(to.Addr(), private)
	}}
}

// transport sends to admitted addresses. Proxies of the environment are not used: what lies behind them cannot be looked at.
func transport(private bool) *http.Transport {
	return &http.Transport{
		DialContext: dialer(private).DialContext, TLSHandshakeTimeout: patience, ResponseHeaderTimeout: patience,
		MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 1, ForceAttemptHTTP2: true,
	}
}

// client follows no redirects: they lead where nobody looked.
func client(private bool, patience time.Duration) *http.Client {
	return &http.Client{
		Transport: transport(private), Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A refusal is the answer of a target that did not take a message.
type refusal struct {
	status int
	pause  time.Duration // that it asked for
}

func (r *refusal) Error() string {
	if r.status/100 == 3 {
		return fmt.Sprintf("it answered %d: %v", r.status, errRedirect)
	}
	return fmt.Sprintf("it answered %d %s", r.status, http.StatusText(r.status))
}

// answered returns what is wrong with an answer.
func answered(resp *http.Response, now time.Time) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &refusal{resp.StatusCode, pauseOf(resp.Header.Get("Retry-After"), now)}
}

// pauseOf reads Retry-After: seconds, or a time (RFC 9110, 10.2.3).
func pauseOf(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 { // Discord has tenths
		return time.Duration(min(seconds, 1<<20) * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// anonymous takes the address out of an error of the HTTP client: its path may be a token.
func anonymous(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		return of.Err
	}
	return err
}
