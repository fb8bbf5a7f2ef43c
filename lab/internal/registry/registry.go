// SPDX-License-Identifier: Apache-2.0

// Package registry is an image registry that refuses, each time in another of
// the ways real ones do, and the lab's name server. The first part of a
// repository's name says what happens:
//
//	private/app    401 after a token was given, as Docker Hub and others do
//	denied/app     401, basic authentication
//	forbidden/app  403
//	limited/app    429, too many requests
//	broken/app     500
//	slow/app       no answer
//	anything else  404
//
// Nothing can be pulled. Nothing listens on the next port, and every name but
// the registry's is unknown.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Handler answers the part of the distribution API that a pull begins with:
// see https://github.com/opencontainers/distribution-spec.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /token", giveToken)
	mux.HandleFunc("/v2/", refuse)
	return mux
}

func giveToken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"token":"anonymous"}`)
}

func refuse(w http.ResponseWriter, r *http.Request) {
	repository := strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/"} {
		repository, _, _ = strings.Cut(repository, part)
	}
	kind, _, _ := strings.Cut(repository, "/")
	switch kind {
	case "private":
		challenge := `Bearer realm="http://` + r.Host + `/token",service="` + r.Host + `",scope="repository:` + repository + `:pull"`
		if r.Header.Get("Authorization") != "" {
			challenge += `,error="insufficient_scope"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	case "denied":
		w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
		fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	case "forbidden":
		fail(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
	case "limited":
		w.Header().Set("Retry-After", "3600")
		fail(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "pull rate limit exceeded")
	case "broken":
		fail(w, http.StatusInternalServerError, "UNKNOWN", "storage backend is down")
	case "slow":
		<-r.Context().Done()
	default:
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
	}
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

// Serve runs the registry and the name server until the context ends or one of
// them fails.
func Serve(ctx context.Context, listen, dns string, hosts map[string]net.IP) error {
	packets, err := net.ListenPacket("udp", dns)
	if err != nil {
		return err
	}
	defer packets.Close()
	server := &http.Server{Addr: listen, Handler: Handler(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- serveNames(packets, hosts) }()
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return errors.Join(err, server.Close())
}
