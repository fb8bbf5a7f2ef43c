// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/smtp"
	"os"
	"strconv"
	"strings"
	"time"

	settings "github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
)

// errPlain is that a server takes mail in the clear only, or that somebody on the way says so.
var errPlain = errors.New("the server offers no TLS: add starttls=no to the url where all on the way may read what is sent")

// mail sends one by a connection of this program. What shoutrrr has for it resolves the name of the server once more after whoever looked
// at it, sends to each address by itself, and goes on in the clear where TLS is not offered; its settings are those of shoutrrr. It returns
// how many addresses the server refused, where it took the mail for others.
func (e *errand) mail(ctx context.Context, to *settings.Config) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	conn, err := dialer(e.Private).DialContext(ctx, "tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	context.AfterFunc(ctx, func() { conn.Close() })
	c, err := greet(conn, to)
	if err != nil {
		return 0, err
	}
	if by := authOf(to); by != nil {
		if _, secure := c.TLSConnectionState(); !secure && to.Auth == settings.AuthTypes.OAuth2 {
			return 0, errors.New("log in: a token is not sent in the clear: use TLS")
		}
		if err := c.Auth(by); err != nil {
			return 0, fmt.Errorf("log in: %w", err)
		}
	}
	return e.hand(c, to)
}

// greet makes a connection one that mail can go over.
func greet(conn net.Conn, to *settings.Config) (*smtp.Client, error) {
	secure := &tls.Config{ServerName: to.Host, MinVersion: tls.VersionTLS12}
	wrapped := to.Encryption == settings.EncImplicitTLS || to.Encryption == settings.EncAuto && to.Port == settings.ImplicitTLSPort
	if wrapped {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, to.Host)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	name := to.ClientHost
	if name == "auto" {
		name, _ = os.Hostname() // which is empty then, and refused
	}
	if err := c.Hello(name); err != nil {
		return nil, fmt.Errorf("say hello: %w", err)
	}
	if wrapped || !to.UseStartTLS || to.Encryption == settings.EncNone {
		return c, nil
	}
	if offered, _ := c.Extension("STARTTLS"); !offered {
		return nil, errPlain
	}
	if err := c.StartTLS(secure); err != nil {
		return nil, fmt.Errorf("start TLS: %w", err)
	}
	return c, nil
}

func authOf(to *settings.Config) smtp.Auth {
	switch to.Auth {
	case settings.AuthTypes.Plain:
		return smtp.PlainAuth("", to.Username, to.Password, to.Host) // refuses to go in the clear
	case settings.AuthTypes.CRAMMD5:
		return smtp.CRAMMD5Auth(to.Username, to.Password)
	case settings.AuthTypes.OAuth2:
		return settings.OAuth2Auth(to.Username, to.Password)
	}
	return nil
}

// hand gives the server the mail for all addresses that it takes it for. What is said after it took it changes nothing.
func (e *errand) hand(c *smtp.Client, to *settings.Config) (left int, err error) {
	if err := c.Mail(to.FromAddress); err != nil {
		return 0, fmt.Errorf("name the sender: %w", err)
	}
	var taken []string
	var refused error
	for _, address := range to.ToAddresses {
		if err := c.Rcpt(address); err != nil {
			refused = err
			continue
		}
		taken = append(taken, address)
	}
	if len(taken) == 0 {
		return 0, fmt.Errorf("name the receiver: %w", refused)
	}
	body, err := c.Data()
	if err != nil {
		return 0, fmt.Errorf("send the mail: %w", err)
	}
	_, err = body.Write(e.letter(to, taken, time.Now()))
	if err := errors.Join(err, body.Close()); err != nil {
		return 0, fmt.Errorf("send the mail: %w", err)
	}
	_ = c.Quit() // it was taken
	return len(to.ToAddresses) - len(taken), nil
}

// letter is the mail with its headers (RFC 5322), the same whenever it is tried except for its date.
func (e *errand) letter(from *settings.Config, to []string, now time.Time) []byte {
	sender := netmail.Address{Name: from.FromName, Address: from.FromAddress}
	_, domain, _ := strings.Cut(from.FromAddress, "@")
	var b bytes.Buffer
	for _, header := range [][2]string{
		{"From", sender.String()}, {"To", strings.Join(to, ",\r\n ")}, {"Subject", subject(e.Title)}, {"Date", now.Format(time.RFC1123Z)},
		{"Message-ID", "<" + e.Key + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"}, // no holiday answers it (RFC 3834)
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=UTF-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(header[0] + ": " + header[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(e.Text, "\n", "\r\n"))) // into memory
	_ = w.Close()
	return append(b.Bytes(), "\r\n"...)
}

// subject makes a title fit for the header of a mail (RFC 2047), folded as lines there have an end.
func subject(title string) string {
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", title), "?= =?", "?=\r\n =?")
}
