// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// Audience is the one that a token may be made for, so that it opens the console and not the API server:
// kubectl create token NAME --audience inquest.
const Audience = "inquest"

const (
	// keepReviews is how old an answer of the API server may be: so long somebody sees what he may see no more.
	keepReviews = 15 * time.Second
	reviewTime  = 5 * time.Second
	// mostReviews are under way for one caller at a time.
	mostReviews = 16
	// mostNamespaces are looked at for one caller: two questions each to the API server. Of others nothing is shown, and who is
	// concerned is told so.
	mostNamespaces = 2000
	maxToken       = 8 << 10 // projected tokens have about 1 KiB
)

// ClusterOptions are what a ClusterAccess needs.
type ClusterOptions struct {
	Users    authenticationclient.TokenReviewsGetter
	Rules    authorizationclient.SubjectAccessReviewsGetter
	Known    func(ctx context.Context) ([]string, error) // the namespaces that there is something of, all of them, in order
	All      func(ctx context.Context) ([]string, error) // those of the cluster, which texts may name; nil: not to be had
	Key      []byte                                      // seals sessions; replicas share it. 32 bytes
	Provider *Provider                                   // nil: there is none
	Now      func() time.Time
}

// A ClusterAccess lets each caller see what the cluster lets them read. Who somebody is the API server says by a TokenReview, what he
// may see by SubjectAccessReviews of him: a namespace is shown to whoever may get its pods and their logs, and what is told of nodes to
// whoever may get nodes. Where the API server cannot be asked, nothing is shown.
type ClusterAccess struct {
	o      ClusterOptions
	seal   *seal
	tokens kept[person]
	rights kept[Rights]
	all    kept[[]string] // namespaces of the cluster
	left   departed
	hosts  crowd
}

// A person is somebody whom the API server or the provider of OpenID Connect knows.
type person struct {
	authenticationv1.UserInfo
	known bool
}

// key names all that rights depend on. It quotes: a group may have any characters in its name.
func (p *person) key() string {
	return keyOf(p.Username, p.UID, fmt.Sprintf("%q", p.Groups), fmt.Sprintf("%q", p.Extra))
}

// NewClusterAccess returns one.
func NewClusterAccess(o ClusterOptions) (*ClusterAccess, error) {
	s, err := newSeal(o.Key)
	if err != nil {
		return nil, err
	}
	return &ClusterAccess{o: o, seal: s}, nil
}

// Rights asks for each namespace that there is something of.
func (a *ClusterAccess) Rights(ctx context.Context, r *http.Request) (Rights, error) {
	who, err := a.caller(ctx, r)
	if err != nil {
		return Rights{}, err
	}
	return a.rights.get(ctx, a.o.Now, who.key(), func(ctx context.Context) (Rights, error) {
		return a.ask(ctx, who)
	})
}

// stranger asks somebody who he is.
func (a *ClusterAccess) stranger(why string) *StrangerError {
	s := &StrangerError{Why: why, Token: true}
	if a.o.Provider != nil {
		s.Provider = providerPath
	}
	return s
}

// caller tells who sends a request: by the token in its header, or by the session of a browser.
func (a *ClusterAccess) caller(ctx context.Context, r *http.Request) (person, error) {
	if token, ok := tokenIn(r); ok {
		return a.whose(ctx, r, token)
	}
	s, ok := a.session(r)
	switch {
	case !ok:
		return person{}, a.stranger("say who you are")
	case s.Token != "":
		return a.whose(ctx, r, s.Token)
	case a.o.Provider == nil:
		return person{}, a.stranger("this login is not offered any more")
	}
	return person{authenticationv1.UserInfo{Username: s.User, Groups: s.Groups}, true}, nil
}

func tokenIn(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// Caller goes by what was last said of a token. Of one person with many tokens it is the same.
func (a *ClusterAccess) Caller(r *http.Request) string {
	token, inHeader := tokenIn(r)
	if !inHeader {
		s, in := a.session(r)
		switch {
		case !in:
			return ""
		case s.Token == "":
			return s.User
		}
		token = s.Token
	}
	switch who := a.tokens.last(keyOf(token)); {
	case who.known:
		return who.Username
	case !inHeader: // nobody can make up a session
		return "session " + keyOf(token)
	}
	return ""
}

// whose asks whose a token is. Tokens of which it was not known when they were last reviewed are reviewed for one address at a limited rate;
// many people may come from one, as from that of an ingress.
func (a *ClusterAccess) whose(ctx context.Context, r *http.Request, token string) (person, error) {
	bad := a.stranger("the cluster does not know this token, or it has expired")
	if token == "" || len(token) > maxToken || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return person{}, bad
	}
	key := keyOf(token)
	if _, fresh := a.tokens.look(a.o.Now(), key); !fresh && !a.tokens.last(key).known && !a.hosts.may(hostOf(r.RemoteAddr), a.o.Now()) {
		return person{}, &RefusalError{"too many tokens that are not known here come from this address: wait a moment"}
	}
	who, err := a.tokens.get(ctx, a.o.Now, key, func(ctx context.Context) (person, error) { return a.review(ctx, token) })
	if err == nil && !who.known {
		err = bad
	}
	return who, err
}

// review asks the API server about a token: one for the API server itself, or else for us.
func (a *ClusterAccess) review(ctx context.Context, token string) (person, error) {
	for _, audiences := range [][]string{nil, {Audience}} {
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}
		told, err := a.o.Users.TokenReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return person{}, fmt.Errorf("ask whose a token is: %w", err)
		}
		s := told.Status
		ours := audiences == nil || slices.Contains(s.Audiences, Audience) // an API server that knows no audiences takes any token
		if s.Authenticated && ours && somebody(s.User) {
			return person{s.User, true}, nil
		}
	}
	return person{}, nil
}

func somebody(u authenticationv1.UserInfo) bool {
	return u.Username != "" && u.Username != "system:anonymous" && !slices.Contains(u.Groups, "system:unauthenticated")
}

// ask finds out what somebody may see.
func (a *ClusterAccess) ask(ctx context.Context, who person) (Rights, error) {
	everywhere, err := a.sees(ctx, who, "")
	if err != nil {
		return Rights{}, err
	}
	may := Rights{Namespaces: []string{}}
	if may.Nodes, err = a.may(ctx, who, authorizationv1.ResourceAttributes{Verb: "get", Resource: "nodes"}); err != nil {
		return Rights{}, err
	}
	if everywhere && may.Nodes {
		return Rights{All: true, Nodes: true}, nil
	}
	names, err := a.o.Known(ctx)
	if err != nil {
		return Rights{}, err
	}
	if may.Foreign, err = a.others(ctx, everywhere, names); err != nil {
		return Rights{}, err
	}
	if len(names) > mostNamespaces {
		may.Limit = mostNamespaces
		if !everywhere {
			may.Foreign = append(may.Foreign, names[mostNamespaces:]...) // for all that is known
		}
		names = names[:mostNamespaces]
	}
	seen := make([]bool, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(mostReviews)
	for i, name := range names {
		group.Go(func() (err error) {
			if seen[i] = everywhere; !everywhere {
				seen[i], err = a.sees(ctx, who, name)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Rights{}, err
	}
	for i, name := range names {
		if seen[i] {
			may.Namespaces = append(may.Namespaces, name)
		} else {
			may.Foreign = append(may.Foreign, name)
		}
	}
	return may, nil
}

// others are the namespaces that there is nothing of, for who may not see all. What is told of others may name them, and whether somebody may see them is not asked.
func (a *ClusterAccess) others(ctx context.Context, everywhere bool, known []string) ([]string, error) {
	if everywhere || a.o.All == nil {
		return nil, nil
	}
	all, err := a.all.get(ctx, a.o.Now, "", a.o.All)
	is := map[string]bool{}
	for _, name := range known {
		is[name] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return is[name] }), err
}

// sees tells whether somebody may read the pods of a namespace, empty for all, and their logs.
func (a *ClusterAccess) sees(ctx context.Context, who person, namespace string) (bool, error) {
	for _, sub := range []string{"", "log"} {
		ok, err := a.may(ctx, who, authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "get", Resource: "pods", Subresource: sub})
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (a *ClusterAccess) may(ctx context.Context, who person, what authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Username, UID: who.UID, Groups: who.Groups, ResourceAttributes: &what,
	}}
	for name, values := range who.Extra {
		if review.Spec.Extra == nil {
			review.Spec.Extra = map[string]authorizationv1.ExtraValue{}
		}
		review.Spec.Extra[name] = authorizationv1.ExtraValue(values)
	}
	told, err := a.o.Rules.SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask what somebody may read: %w", err)
	}
	return told.Status.Allowed && !told.Status.Denied, nil
}

// Login takes a token from the body of a form. In an address it would be logged on its way, and stay in the browser.
func (a *ClusterAccess) Login(w http.ResponseWriter, r *http.Request, _ string) error {
	if r.URL.Query().Has("token") {
		return a.stranger("a token does not belong into an address: give it here")
	}
	if r.Method != http.MethodPost {
		return a.stranger("say who you are")
	}
	r.Body = http.MaxBytesReader(w, r.Body, 2*maxToken)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(reviewTime)) // where there is a connection
	token := strings.TrimSpace(r.PostFormValue("token"))
	if _, err := a.whose(r.Context(), r, token); err != nil {
		return err
	}
	return a.begin(w, r, session{Token: token, Until: a.o.Now().Add(stay)})
}

// Routes are the addresses of the login beside those of the console.
func (a *ClusterAccess) Routes(mux *http.ServeMux, refuse func(http.ResponseWriter, *http.Request, error)) {
	mux.HandleFunc("POST "+logoutPath, func(w http.ResponseWriter, r *http.Request) {
		a.end(w, r)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	})
	if a.o.Provider == nil {
		return
	}
	mux.HandleFunc("GET "+providerPath, func(w http.ResponseWriter, r *http.Request) {
		if err := a.leave(w, r); err != nil {
			refuse(w, r, err)
		}
	})
	mux.HandleFunc("GET "+returnPath, func(w http.ResponseWriter, r *http.Request) {
		if err := a.comeBack(w, r); err != nil {
			refuse(w, r, err)
		}
	})
}

// local returns an address within the console; the first page for any other.
func local(address string) string {
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") || strings.ContainsAny(address, "\\\r\n\t") {
		return "/"
	}
	return address
}

// hostOf is an address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
