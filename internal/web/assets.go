// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// An asset is a file that pages use. Its address has its checksum, so that a browser keeps it for as long as it is the same.
type asset struct {
	data, zipped []byte
	kind, sum    string
}

func readAssets() (map[string]*asset, error) {
	all := map[string]*asset{}
	err := fs.WalkDir(files, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		kind := mime.TypeByExtension(path.Ext(name))
		if kind == "" {
			kind = "text/plain; charset=utf-8"
		}
		all["/"+name] = &asset{data, zipped(data), kind, hex.EncodeToString(sum[:8])}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what pages use: %w", err)
	}
	return all, nil
}

// address is where an asset is, as pages name it.
func (c *Console) address(name string) (string, error) {
	a := c.assets["/static/"+name]
	if a == nil {
		return "", fmt.Errorf("there is no %s among what pages use", name)
	}
	return "/static/" + name + "?v=" + a.sum, nil
}

// static serves what pages use, which is no secret.
func (c *Console) static(w http.ResponseWriter, r *http.Request) {
	a := c.assets[r.URL.Path]
	if a == nil {
		c.refuse(w, r, errNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", `"`+a.sum+`"`)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "public, max-age=300")
	if r.URL.Query().Get("v") == a.sum {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), a.sum) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.data
	if takesGzip(r) && len(a.zipped) < len(a.data) {
		h.Set("Content-Encoding", "gzip")
		body = a.zipped
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body) // who left does not need it
}
