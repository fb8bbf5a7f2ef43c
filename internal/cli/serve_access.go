// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/kubeinquest/inquest/internal/web"
)

// oidcOptions are the flags of a login by OpenID Connect. Their names and meaning are those of the API server's.
type oidcOptions struct {
	web.ProviderOptions
	secret    string // file
	authority string // file
}

func (o *oidcOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Issuer, "oidc-issuer", "", "with --access cluster: the `URL` of a provider of OpenID Connect that people may log in by")
	flags.StringVar(&o.ClientID, "oidc-client-id", "", "what the provider calls this console")
	flags.StringVar(&o.secret, "oidc-client-secret-file", "", "its secret there; none for a public client")
	flags.StringVar(&o.Redirect, "oidc-redirect", "", "the `URL` of this console as people know it, with the path /oidc/callback")
	flags.StringVar(&o.UsernameClaim, "oidc-username-claim", "sub", "the claim that is a person's name in the cluster")
	flags.StringVar(&o.UsernamePrefix, "oidc-username-prefix", "", "what the cluster has before such names")
	flags.StringVar(&o.GroupsClaim, "oidc-groups-claim", "groups", "the claim that has a person's groups")
	flags.StringVar(&o.GroupsPrefix, "oidc-groups-prefix", "", "what the cluster has before names of such groups")
	flags.StringSliceVar(&o.Scopes, "oidc-scopes", nil, "what the provider is asked for beside openid")
	flags.StringVar(&o.authority, "oidc-ca-file", "", "who vouches for the provider's certificate; default is whom the system trusts")
}

// Validate tells what is wrong with the command line.
func (o *oidcOptions) Validate(access string) error {
	switch {
	case o.Issuer == "":
		return nil
	case access != accessCluster:
		return errors.New("--oidc-issuer says who somebody is, and the cluster what he may see: add --access cluster")
	case o.ClientID == "" || o.Redirect == "":
		return errors.New("--oidc-issuer needs --oidc-client-id and --oidc-redirect")
	}
	return nil
}

func (o *oidcOptions) provider(ctx context.Context, log *slog.Logger) (*web.Provider, error) {
	if o.Issuer == "" {
		return nil, nil
	}
	options := o.ProviderOptions
	if o.secret != "" {
		secret, err := os.ReadFile(o.secret)
		if err != nil {
			return nil, fmt.Errorf("read the secret for the provider: %w", err)
		}
		options.ClientSecret = string(bytes.TrimSpace(secret))
	}
	options.Client = &http.Client{Timeout: 10 * time.Second}
	if o.authority != "" {
		data, err := os.ReadFile(o.authority)
		if err != nil {
			return nil, fmt.Errorf("read who vouches for the provider: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("read who vouches for the provider: %s holds no certificate", o.authority)
		}
		options.Client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	}
	provider, err := web.NewProvider(options)
	if err != nil {
		return nil, err
	}
	if err := provider.Find(ctx); err != nil { // what happens in the cluster is recorded all the same
		log.Warn("nobody can log in by the provider of OpenID Connect until it answers", "err", err)
	}
	return provider, nil
}

// clusterAccess has the cluster say who may see what.
func (o *serveOptions) clusterAccess(ctx context.Context, s *serving) (web.Access, error) {
	config := rest.CopyConfig(s.config)
	config.QPS, config.Timeout = -1, 10*time.Second // strangers are paced where they come in
	users, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	rules, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	key := web.NewKey()
	if o.sessions != "" {
		if key, err = os.ReadFile(o.sessions); err != nil {
			return nil, fmt.Errorf("read the key of sessions: %w", err)
		}
		if len(key) != 32 {
			return nil, fmt.Errorf("read the key of sessions: %s has %d bytes, expected 32: head -c 32 /dev/urandom makes some", o.sessions, len(key))
		}
	}
	provider, err := o.oidc.provider(ctx, s.console.Log)
	if err != nil {
		return nil, err
	}
	known := func(ctx context.Context) ([]string, error) { return s.console.Store.Namespaces(ctx, math.MaxInt32) }
	return web.NewClusterAccess(web.ClusterOptions{
		Users: users, Rules: rules, Known: known, All: spacesOf(s.core), Key: key, Provider: provider, Now: time.Now,
	})
}

// spacesOf returns what lists the namespaces of a cluster. Where that is not allowed, those that the history knows have to do.
func spacesOf(core rest.Interface) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		var list corev1.NamespaceList
		err := core.Get().Resource("namespaces").Do(ctx).Into(&list)
		if apierrors.IsForbidden(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the namespaces: %w", err)
		}
		names := make([]string, len(list.Items))
		for i := range list.Items {
			names[i] = list.Items[i].Name
		}
		return names, nil
	}
}
