// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/fields"
)

// requestOf reads what was asked for out of the URI, as the API server does before it asks its authorizers (RequestInfoFactory). What an audit
// log names as the object is not the same: after an object was created, the log has a name that the authorizer had not. The verb is the log's,
// as the URI does not tell the method.
func requestOf(verb, uri string) (r Request, dryRun, ok bool) {
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return Request{}, false, false
	}
	query := u.Query()
	dryRun = query.Get("dryRun") != ""
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		r.Group, parts = parts[1], parts[3:]
	default:
		return Request{Verb: verb, Path: u.Path}, dryRun, true
	}
	r.Verb = verb
	if (parts[0] == "proxy" || parts[0] == "watch") && len(parts) > 1 { // of old; it heeds no selector
		return r.at(parts[1:]), dryRun, true
	}
	r = r.at(parts)
	if r.Name == "" && (verb == "list" || verb == "watch") {
		r.Name = selected(query.Get("fieldSelector"))
	}
	return r, dryRun, true
}

// at reads namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE.
func (r Request) at(parts []string) Request {
	if parts[0] == "namespaces" && len(parts) > 1 {
		r.Namespace = parts[1]
		if len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
			parts = parts[2:]
		}
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Resource += "/" + parts[2]
	}
	return r
}

// selected is the one name that a field selector asks for: a list or watch of one object by name is one of that name to an authorizer.
func selected(text string) string {
	selector, err := fields.ParseSelector(text)
	if text == "" || err != nil {
		return ""
	}
	name, ok := selector.RequiresExactMatch("metadata.name")
	if !ok || len(content.IsPathSegmentName(name)) > 0 {
		return ""
	}
	return name
}
