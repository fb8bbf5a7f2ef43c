// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// What an API server answers with (RFC 9110).
const (
	created    = 201
	badRequest = 400 // from here on nothing was done
	forbidden  = 403
)

// An event is what is read of an Event of audit.k8s.io/v1 (apiserver pkg/apis/audit/v1).
type event struct {
	Kind, Level, AuditID, Stage, RequestURI, Verb string

	User, ImpersonatedUser userInfo
	AuthenticationMetadata struct{ ImpersonationConstraint string }
	ObjectRef              struct{ Resource, Name, Namespace string }
	ResponseStatus         struct{ Code int }
	RequestObject          json.RawMessage
	ResponseObject         json.RawMessage

	RequestReceivedTimestamp, StageTimestamp time.Time
	Annotations                              struct {
		Decision string `json:"authorization.k8s.io/decision"`
	}
	Items []json.RawMessage // of an EventList, as webhooks get them
}

type userInfo struct {
	Username, UID string
	Groups        []string
	Extra         map[string][]string
}

// An asking is one request that the authorizer was asked about for somebody.
type asking struct {
	user    string
	groups  []string
	request Request
	refused bool
	open    bool // whether it was is not known
	dryRun  bool
}

// askings are all that an event tells of: the request itself; that its user may act as another; what an update that created also needs; and
// what a SubjectAccessReview asked. It is mute where that is not in it.
func (e *event) askings() (all []asking, mute bool) {
	r, dryRun, ok := requestOf(e.Verb, e.RequestURI)
	if !ok {
		return nil, false
	}
	// Whoever was turned away before the authorizer was asked, as one too many, will ask again: no decision is not a refusal.
	refused := e.Annotations.Decision == "forbid" || e.Annotations.Decision == "" && e.ResponseStatus.Code == forbidden
	first := asking{user: e.User.Username, groups: e.User.Groups, request: r, refused: refused, dryRun: dryRun}
	all = []asking{first}
	if e.ImpersonatedUser.Username != "" {
		all = e.impersonation(first)
		first.user, first.groups = e.ImpersonatedUser.Username, e.ImpersonatedUser.Groups
		all = append(all, first)
	}
	if (e.Verb == "update" || e.Verb == "patch") && e.ResponseStatus.Code == created && !refused {
		also := first
		also.request.Verb = "create" // apiserver pkg/endpoints/handlers/update.go and patch.go ask for this too
		all = append(all, also)
	}
	if (r.Resource == "subjectaccessreviews" || r.Resource == "localsubjectaccessreviews") && !refused && e.ResponseStatus.Code < badRequest {
		asked, ok := e.reviewed()
		return append(all, asked...), !ok
	}
	return all, false
}

// impersonation is what the real user was asked for to act as another (apiserver pkg/endpoints/filters/impersonation), where it was granted.
func (e *event) impersonation(as asking) []asking {
	verb, group, to := "impersonate", "", e.ImpersonatedUser
	var all []asking
	add := func(r Request) {
		one := as
		one.request, one.refused = r, false
		all = append(all, one)
	}
	const authentication = "authentication.k8s.io"
	if mode, constrained := strings.CutPrefix(e.AuthenticationMetadata.ImpersonationConstraint, "impersonate:"); constrained {
		on := as.request
		on.Verb = "impersonate-on:" + mode + ":" + on.Verb
		add(on)
		verb, group = "impersonate:"+mode, authentication
	}
	who := SubjectOf(to.Username)
	node, isNode := strings.CutPrefix(to.Username, "system:node:")
	switch {
	case verb == "impersonate:associated-node":
		add(Request{Verb: verb, Group: group, Resource: "nodes", Name: "*"})
	case isNode && group != "":
		add(Request{Verb: verb, Group: group, Resource: "nodes", Name: node})
	case who.Namespace != "":
		add(Request{Verb: verb, Group: group, Resource: "serviceaccounts", Namespace: who.Namespace, Name: who.Name})
	default:
		add(Request{Verb: verb, Group: group, Resource: "users", Name: to.Username})
	}
	for _, g := range to.Groups {
		if !slices.Contains(who.groups(), g) && !(isNode && group != "") { // those the API server adds itself
			add(Request{Verb: verb, Group: group, Resource: "groups", Name: g})
		}
	}
	if to.UID != "" {
		add(Request{Verb: verb, Group: authentication, Resource: "uids", Name: to.UID})
	}
	for key, values := range to.Extra {
		for _, v := range values {
			add(Request{Verb: verb, Group: authentication, Resource: "userextras/" + key, Name: v})
		}
	}
	return all
}

// reviewed is what a SubjectAccessReview asks: whoever asked it will not do what it is about without that right. What it asks is logged from
// the level Request on, and what it was told at the level RequestResponse. It is false where the event does not have the first.
func (e *event) reviewed() (all []asking, ok bool) {
	var review struct {
		Spec struct {
			User               string
			Groups             []string
			ResourceAttributes *struct {
				Namespace, Verb, Group, Resource, Subresource, Name string
			}
			NonResourceAttributes *struct{ Path, Verb string }
		}
	}
	if len(e.RequestObject) == 0 || json.Unmarshal(e.RequestObject, &review) != nil {
		return nil, false
	}
	one := asking{user: review.Spec.User, groups: review.Spec.Groups}
	switch r, n := review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes; {
	case one.user == "": // of a group alone
		return nil, true
	case r != nil:
		one.request = Request{Verb: r.Verb, Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}
		if r.Subresource != "" {
			one.request.Resource += "/" + r.Subresource
		}
	case n != nil:
		one.request = Request{Verb: n.Verb, Path: n.Path}
	default:
		return nil, false
	}
	var told struct{ Status *struct{ Allowed bool } }
	one.open = len(e.ResponseObject) == 0 || json.Unmarshal(e.ResponseObject, &told) != nil || told.Status == nil
	one.refused = !one.open && !told.Status.Allowed
	return []asking{one}, true
}
