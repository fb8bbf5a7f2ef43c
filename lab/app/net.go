// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// get fetches URLs: the image's busybox cannot. It ends with 1 unless every
// one answered.
func get(args []string) error {
	flags := newFlags("get")
	timeout := flags.Duration("timeout", 5*time.Second, "for each URL")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := http.Client{Timeout: *timeout}
	var errs []error
	for _, url := range flags.Args() {
		errs = append(errs, fetch(client, url))
	}
	return errors.Join(errs...)
}

func fetch(client http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("get %s: %s", url, resp.Status)
	}
	return nil
}

// dial needs another service: it connects once at its start and gives up when
// that does not work.
func dial(args []string) error {
	flags := newFlags("dial")
	to := flags.String("to", "db:5432", "host:port")
	timeout := flags.Duration("timeout", 5*time.Second, "for the connection")
	if err := flags.Parse(args); err != nil {
		return err
	}
	say(os.Stdout, "connecting to %s", *to)
	conn, err := net.DialTimeout("tcp", *to, *timeout)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", *to, err)
	}
	defer conn.Close()
	say(os.Stdout, "connected to %s", conn.RemoteAddr())
	forever()
	return nil
}
