// SPDX-License-Identifier: Apache-2.0

package collect

import "strings"

// redactImage masks what is secret in the reference of an image. The tag stays whatever the name before it: "api-token:v1" is no
// token. A text of another form is masked like any other.
func redactImage(text *string) int {
	if !isImage(*text) {
		return redactText(text)
	}
	r := redactor{in: *text}
	r.image(0, len(r.in))
	*text = r.out.String() + r.in[r.done:]
	return r.spans
}

// isImage says whether a text can be the reference of an image, with a login or a scheme before it or without.
func isImage(text string) bool {
	return text != "" && strings.Trim(strings.ReplaceAll(text, masked, ""), setPath+".:@%+") == ""
}

// quotedImage masks what is secret in what is quoted right after the word image, as the kubelet and runtimes do, so that it is left
// as it is in the spec: Failed to pull image "api-token:v1". It returns where to go on, or 0 where no image is quoted.
func (r *redactor) quotedImage(i int) int {
	start := i
	for start > 0 && i-start < 8 && r.in[start-1] == '\\' {
		start--
	}
	if before := r.in[max(0, start-16):start]; !strings.HasSuffix(before, "image ") && !strings.HasSuffix(before, "image tag ") && !strings.HasSuffix(before, "reference ") {
		return 0
	}
	v := readValue(r.in, start, 2*maxLook)
	if v.to-v.from >= 2*maxLook || v.to == len(r.in) || !isImage(r.in[v.from:v.to]) {
		return 0 // not closed, or no image
	}
	r.image(v.from, v.to)
	return v.to
}

// image masks the password before the host of an image, and tokens of known shapes.
func (r *redactor) image(from, to int) {
	start, password := r.imageLogin(from, to)
	for i := from; i < to; i++ {
		if i == start && password > start {
			r.mask(start, password)
			i = password
		} else if isAlnum(r.in[i]) && (i == from || !isAlnum(r.in[i-1])) {
			if token, end := tokenAt(r.in, i); end > token {
				r.mask(token, end)
				i = end
			}
		}
	}
}

// imageLogin finds the password before the host of an image; it is empty where there is none. A digest is no host.
func (r *redactor) imageLogin(from, to int) (start, end int) {
	if i := strings.Index(r.in[from:to], "://"); i >= 0 {
		from += i + len("://")
	}
	name := r.in[from:to]
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		if _, sum, _ := strings.Cut(name[i:], ":"); isHex(sum) {
			name = name[:i]
		}
	}
	colon, at := login(name)
	switch {
	case at < 0:
		return from, from
	case colon >= 0 && colon < at:
		return from + colon + 1, from + at
	case looksRandom(name[:at]):
		return from, from + at
	}
	return from, from
}
