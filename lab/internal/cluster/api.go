// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// userAgent tells the lab's own requests apart in the audit log.
const userAgent = "inquest-lab"

// An api is the little of an API client that bringing up a cluster needs.
type api struct{ http *http.Client }

func (l Lab) newAPI() (api, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(l.pkiDir(), "admin.crt"), filepath.Join(l.pkiDir(), "admin.key"))
	if err != nil {
		return api{}, err
	}
	ca, err := os.ReadFile(filepath.Join(l.pkiDir(), "ca.crt"))
	if err != nil {
		return api{}, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		ForceAttemptHTTP2: true,
	}
	return api{&http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

// do sends an object (nil: none) and decodes the answer into result (nil: it
// is not wanted).
func (a api) do(ctx context.Context, method, path string, object, result any) error {
	var body io.Reader
	if object != nil {
		data, err := json.Marshal(object)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, apiURL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/apply-patch+yaml")
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s%s", method, path, resp.Status, reason(data))
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(data, result)
}

// reason is the message of a Status object, the API's form of an error. Other
// answers have none: theirs may be many lines.
func reason(answer []byte) string {
	var status struct{ Message string }
	if json.Unmarshal(answer, &status) != nil || status.Message == "" {
		return ""
	}
	return ": " + status.Message
}

func (a api) ready(ctx context.Context) error {
	return a.do(ctx, http.MethodGet, "/readyz", nil, nil)
}

func (a api) apply(ctx context.Context, path string, object any) error {
	return a.do(ctx, http.MethodPatch, path+"?force=true&fieldManager="+userAgent, object, nil)
}

type nodeObject struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Status struct {
		Conditions []struct{ Type, Status, Reason string } `json:"conditions"`
		NodeInfo   struct {
			KubeletVersion string `json:"kubeletVersion"`
			BootID         string `json:"bootID"`
		} `json:"nodeInfo"`
	} `json:"status"`
}

// condition returns the status of the node's Ready condition: True, False or
// Unknown.
func (n nodeObject) condition() string {
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status
		}
	}
	return "Unknown"
}

func (a api) node(ctx context.Context, name string) (nodeObject, error) {
	var n nodeObject
	err := a.do(ctx, http.MethodGet, "/api/v1/nodes/"+name, nil, &n)
	return n, err
}

// errNotYet is what a condition returns that may still come true.
var errNotYet = errors.New("not yet")

// until calls the condition until it returns no error. The error of the last
// try is returned when the time is over.
func until(ctx context.Context, limit time.Duration, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return errors.New("interrupted")
			}
			return err
		case <-tick.C:
		}
	}
}
