// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
)

// greet asks a stranger who he is. Whoever follows a link of another site has his cookie with him only when a page of ours leads
// him on, and is led on once.
func (c *Console) greet(w http.ResponseWriter, r *http.Request, s *StrangerError) {
	if wantsJSON(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeJSON(w, r, http.StatusUnauthorized, Failure{s.Why})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	here := local(r.URL.RequestURI())
	if r.URL.Path == "/login" {
		here = local(r.FormValue("next"))
	}
	page, status, b := c.pages["login"], http.StatusUnauthorized, bytes.Buffer{}
	var data any = map[string]any{"Why": s.Why, "Token": s.Token, "Provider": providerLink(s, here), "Next": here}
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		page, status, data = arrived, http.StatusOK, here
	}
	if err := page.Execute(&b, data); err != nil {
		c.Log.Error("the login was not shown", "err", err)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who left does not need it
}

func providerLink(s *StrangerError, next string) string {
	if s.Provider == "" {
		return ""
	}
	return s.Provider + "?" + url.Values{"next": {next}}.Encode()
}

// arrived leads on, as a page of this site.
var arrived = template.Must(template.New("arrived").Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8">` +
	`<meta http-equiv="refresh" content="0;url={{.}}"><title>Inquest</title></head><body><p><a href="{{.}}">Go on</a></p></body></html>`))
