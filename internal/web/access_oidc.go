// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	providerPath = "/oidc/login"
	returnPath   = "/oidc/callback"
	// away is how long somebody may be at the provider.
	away = 10 * time.Minute
	// trip is the name of the cookie of somebody who is there.
	trip = "inquest-trip"
)

// ProviderOptions say who knows people. Claims and prefixes are those that the API server is told, so that a person has the same
// name in both and roles mean the same (--oidc-username-claim and its like, or a structured authentication configuration).
type ProviderOptions struct {
	Issuer         string
	ClientID       string
	ClientSecret   string // empty for a public client
	Redirect       string // the address of this console as people know it, with the path /oidc/callback
	UsernameClaim  string
	UsernamePrefix string
	GroupsClaim    string
	GroupsPrefix   string
	Scopes         []string // beside openid
	Client         *http.Client
}

// A Provider of OpenID Connect lets people in by a code with proof of possession (RFC 7636), a state and a nonce. What they
// may see the cluster says. How it is to be used it is asked when it is first needed, and again until it says so.
type Provider struct {
	o ProviderOptions

	mu    sync.Mutex
	found *found // nil: not asked yet, or it did not answer
}

// Found is how a provider is to be used.
type found struct {
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// NewProvider returns one, which need not be there yet.
func NewProvider(o ProviderOptions) (*Provider, error) {
	if !strings.HasSuffix(o.Redirect, returnPath) {
		return nil, fmt.Errorf("the address %q to come back to must end with %s", o.Redirect, returnPath)
	}
	return &Provider{o: o}, nil
}

// Find asks the issuer how it is to be used, if nobody has.
func (p *Provider) Find(ctx context.Context) error {
	_, err := p.find(ctx)
	return err
}

func (p *Provider) find(ctx context.Context) (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	ctx, cancel := context.WithTimeout(withClient(ctx, p.o.Client), 2*reviewTime)
	defer cancel()
	issuer, err := oidc.NewProvider(ctx, p.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("ask the issuer %s how it is to be used: %w", p.o.Issuer, err)
	}
	p.found = &found{oauth2.Config{
		ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret, Endpoint: issuer.Endpoint(), RedirectURL: p.o.Redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, p.o.Scopes...),
	}, issuer.Verifier(&oidc.Config{ClientID: p.o.ClientID})}
	return p.found, nil
}

func withClient(ctx context.Context, c *http.Client) context.Context {
	if c == nil {
		return ctx
	}
	return oidc.ClientContext(ctx, c)
}

// A journey is what a browser has with it while it is at the provider.
type journey struct {
	State, Nonce, Verifier, Next string
	Until                        time.Time
}

// leave sends somebody to the provider. The cookie goes with him when he is sent back, which one of SameSite=Strict would not.
func (a *ClusterAccess) leave(w http.ResponseWriter, r *http.Request) error {
	provider, err := a.o.Provider.find(r.Context())
	if err != nil {
		return fmt.Errorf("%w: %w", errProvider, err)
	}
	j := journey{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), local(r.URL.Query().Get("next")), a.o.Now().Add(away)}
	value, err := a.seal.close(trip, j)
	if err != nil {
		return err
	}
	c := a.cookie(r, trip, value, int(away.Seconds()))
	c.SameSite = http.SameSiteLaxMode
	http.SetCookie(w, c)
	to := provider.config.AuthCodeURL(j.State, oidc.Nonce(j.Nonce), oauth2.S256ChallengeOption(j.Verifier))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// comeBack lets in whom the provider sends back. The next page is led to from a page of ours: one of another site does not have
// the new cookie sent.
func (a *ClusterAccess) comeBack(w http.ResponseWriter, r *http.Request) error {
	var j journey
	c, err := r.Cookie(a.cookie(r, trip, "", 0).Name)
	if err != nil || !a.seal.open(trip, c.Value, &j) || a.o.Now().After(j.Until) {
		return a.stranger("this login took too long or was begun in another browser: begin again")
	}
	http.SetCookie(w, a.cookie(r, trip, "", -1))
	q := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(j.State)) != 1 {
		return a.stranger("this is not the login that was begun: begin again")
	}
	if q.Get("error") != "" {
		return a.stranger("the provider did not let you in: " + q.Get("error"))
	}
	s, err := a.o.Provider.exchange(r.Context(), q.Get("code"), j)
	if refused := (*RefusalError)(nil); errors.As(err, &refused) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errProvider, err)
	}
	if latest := a.o.Now().Add(stay); s.Until.After(latest) {
		s.Until = latest
	}
	if err := a.begin(w, r, s); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return arrived.Execute(w, j.Next)
}

// errProvider is that a login failed for a reason that the log has.
var errProvider = errors.New("finish a login")

// exchange turns a code into somebody.
func (p *Provider) exchange(ctx context.Context, code string, j journey) (session, error) {
	ctx, cancel := context.WithTimeout(withClient(ctx, p.o.Client), 2*reviewTime)
	defer cancel()
	provider, err := p.find(ctx)
	if err != nil {
		return session{}, err
	}
	token, err := provider.config.Exchange(ctx, code, oauth2.VerifierOption(j.Verifier))
	if err != nil {
		return session{}, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.verifier.Verify(ctx, raw)
	if err != nil {
		return session{}, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(j.Nonce)) != 1 {
		return session{}, errors.New("the token has another nonce")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return session{}, err
	}
	return p.person(claims, id.Expiry)
}

// person reads a name and groups from claims. Names that the cluster keeps for itself nobody has from outside.
func (p *Provider) person(claims map[string]any, until time.Time) (session, error) {
	name, _ := claims[p.o.UsernameClaim].(string)
	if verified, told := claims["email_verified"]; p.o.UsernameClaim == "email" && told && verified != true {
		return session{}, &RefusalError{"your address of mail is not verified at the provider"}
	}
	s := session{User: p.o.UsernamePrefix + name, Until: until}
	if name == "" || strings.HasPrefix(s.User, "system:") {
		return session{}, &RefusalError{fmt.Sprintf("the provider tells no claim %q that could be your name", p.o.UsernameClaim)}
	}
	groups, _ := claims[p.o.GroupsClaim].([]any)
	if one, ok := claims[p.o.GroupsClaim].(string); ok {
		groups = []any{one}
	}
	for _, g := range groups {
		if text, ok := g.(string); ok && text != "" {
			s.Groups = append(s.Groups, p.o.GroupsPrefix+text)
		}
	}
	s.Groups = slices.DeleteFunc(s.Groups, func(g string) bool { return strings.HasPrefix(g, "system:") })
	s.Groups = append(s.Groups, "system:authenticated")
	return s, nil
}
