// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	reviewTime = 5 * time.Second // for one review, waiting for its turn included
	maxAnswer  = 1 << 20         // of the API server; groups and extra fields of a user are the bulk of it
	// mostReviews are under way at a time, whoever asks: junk in a token's place costs the API server no more than that.
	mostReviews = 4
)

// An API is the API server as the agent knows it: by its address, and by the ServiceAccount that is mounted. The files are
// read again for each review, as tokens and authorities are replaced while the agent runs.
type API struct {
	URL string // "https://10.96.0.1:443"
	Dir string // that holds ca.crt and token

	turn      chan struct{}
	mu        sync.Mutex
	authority []byte // that client was made for
	client    *http.Client
	ahead     time.Duration // of the API server's clock, as its last answer told
	told      time.Time     // when that was
}

// clockFor is how long an answer tells how clocks differ.
const clockFor = 10 * time.Minute

// Clock is how far this clock is ahead of the API server's, to half a second, as an answer of the last minutes told.
func (a *API) Clock() (offset time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ahead, !a.told.IsZero() && time.Since(a.told) < clockFor
}

// compare learns how far clocks differ from the time that an answer has, which is cut to seconds, and from when it was asked
// for.
func (a *API) compare(date string, asked time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told, a.ahead = now, asked.Add(now.Sub(asked)/2).Sub(at.Add(time.Second/2))
}

// InCluster is the address of the API server of the cluster that the agent's pod is in.
func InCluster(getenv func(string) string) (string, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" {
		return "", errors.New("KUBERNETES_SERVICE_HOST is not set: run the agent in a pod, or say where the API server is by --api-server")
	}
	return "https://" + net.JoinHostPort(host, cmp.Or(port, "443")), nil
}

// NewAPI is an API server at an address, with the folder of a ServiceAccount's token and authority.
func NewAPI(url, dir string) *API {
	return &API{URL: url, Dir: dir, turn: make(chan struct{}, mostReviews)}
}

// post sends a review and reads the answer into the same value. Its errors hold nothing of what was sent.
func (a *API) post(ctx context.Context, path string, review any) error {
	ctx, cancel := context.WithTimeout(ctx, reviewTime)
	defer cancel()
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return errors.New("too many reviews are under way")
	}
	body, err := json.Marshal(review)
	if err != nil {
		return err
	}
	client, token, err := a.access()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", "inquest-agent")
	asked := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	a.compare(resp.Header.Get("Date"), asked)
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: %s", path, resp.Status)
	}
	if err := json.Unmarshal(answer, review); err != nil {
		return fmt.Errorf("POST %s: the answer is no review", path)
	}
	return nil
}

// access reads token and authority, and makes a client for an authority that is new.
func (a *API) access() (*http.Client, string, error) {
	token, err := os.ReadFile(filepath.Join(a.Dir, "token"))
	if err != nil {
		return nil, "", fmt.Errorf("read the agent's own token: %w", err)
	}
	authority, err := os.ReadFile(filepath.Join(a.Dir, "ca.crt"))
	if err != nil {
		return nil, "", fmt.Errorf("read the API server's authority: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client == nil || !bytes.Equal(authority, a.authority) {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(authority) {
			return nil, "", errors.New("the API server's authority holds no certificate")
		}
		if a.client != nil {
			a.client.CloseIdleConnections()
		}
		a.authority, a.client = authority, clientFor(pool)
	}
	return a.client, string(bytes.TrimSpace(token)), nil
}

func clientFor(pool *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			MaxConnsPerHost:        mostReviews,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        time.Minute,
			TLSHandshakeTimeout:    reviewTime,
			ResponseHeaderTimeout:  reviewTime,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("it redirects") },
	}
}

// The reviews, as far as the agent fills them in or reads them (authentication.k8s.io/v1, authorization.k8s.io/v1).
type (
	tokenReview struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			Token     string   `json:"token,omitempty"`
			Audiences []string `json:"audiences,omitempty"`
		} `json:"spec"`
		Status struct {
			Authenticated bool     `json:"authenticated"`
			User          user     `json:"user"`
			Audiences     []string `json:"audiences"`
			Error         string   `json:"error"`
		} `json:"status,omitzero"`
	}

	user struct {
		Username string              `json:"username"`
		UID      string              `json:"uid"`
		Groups   []string            `json:"groups"`
		Extra    map[string][]string `json:"extra"`
	}

	accessReview struct {
		APIVersion string     `json:"apiVersion"`
		Kind       string     `json:"kind"`
		Spec       accessSpec `json:"spec"`
		Status     struct {
			Allowed bool   `json:"allowed"`
			Denied  bool   `json:"denied"`
			Reason  string `json:"reason"`
		} `json:"status,omitzero"`
	}

	accessSpec struct {
		User     string              `json:"user"`
		UID      string              `json:"uid,omitempty"`
		Groups   []string            `json:"groups,omitempty"`
		Extra    map[string][]string `json:"extra,omitempty"`
		Resource *resource           `json:"resourceAttributes,omitempty"`
		Path     *nonResource        `json:"nonResourceAttributes,omitempty"`
	}

	resource struct {
		Namespace   string `json:"namespace,omitempty"`
		Verb        string `json:"verb"`
		Group       string `json:"group,omitempty"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource,omitempty"`
		Name        string `json:"name,omitempty"`
	}

	nonResource struct {
		Path string `json:"path"`
		Verb string `json:"verb"`
	}
)

// whose asks whose token it is. An audience that is named must be among those that the token was made for, and be said to
// be: an API server that knows no audiences takes any token.
func (a *API) whose(ctx context.Context, token, audience string) (user, bool, error) {
	review := tokenReview{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}
	review.Spec.Token = token
	if audience != "" {
		review.Spec.Audiences = []string{audience}
	}
	if err := a.post(ctx, "/apis/authentication.k8s.io/v1/tokenreviews", &review); err != nil {
		return user{}, false, err
	}
	s := review.Status
	known := s.Authenticated && s.User.Username != "" && s.User.Username != "system:anonymous"
	if audience != "" {
		known = known && slices.Contains(s.Audiences, audience)
	}
	return s.User, known, nil
}

// may asks whether a user has a right.
func (a *API) may(ctx context.Context, who user, to right) (bool, error) {
	review := accessReview{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview", Spec: accessSpec{
		User: who.Username, UID: who.UID, Groups: who.Groups, Extra: who.Extra,
	}}
	if to.path != "" {
		review.Spec.Path = &nonResource{Path: to.path, Verb: "get"}
	} else {
		review.Spec.Resource = &resource{Namespace: to.namespace, Verb: "get", Group: to.group, Resource: to.resource, Subresource: to.sub, Name: to.name}
	}
	if err := a.post(ctx, "/apis/authorization.k8s.io/v1/subjectaccessreviews", &review); err != nil {
		return false, err
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}
