// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// CertificateRefused recognises a program that does not trust the certificate of what it calls, or is not trusted.
var CertificateRefused = &diagnosis.Rule{
	ID:    "DEP008",
	Title: "Certificate of a dependency is not accepted",
	Doc: `
The program reached its dependency, and the TLS handshake failed: the certificate has expired or is not valid yet, is signed by an authority
that the program does not know, or is for another name. A program that speaks TLS to a port that does not shows as a malformed first record.

**How it is told from its look-alikes.** By the words of the TLS libraries; the connection itself was made, so that neither a refusal nor a time-out
is in the message. An expired certificate ends many clients in the same minute. The certificates of the cluster itself, those of
kubelets, webhooks and the API server, have rules of their own.

**What to do.** Look at the dates and names in the certificate; give the program the authority's certificate instead of switching the
check off.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.CertExpired,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != certificate {
			return
		}
		if plain.MatchString(c.said) {
			f := c.words("the port that it calls does not speak TLS")
			f.Fixes = []diagnosis.Fix{{Title: "Call the port of the dependency that speaks TLS, turn TLS on there, or let the program call it without"}}
			p.Report(f)
			return
		}
		f := c.words("the certificate is not accepted")
		f.Fixes = append(f.Fixes, diagnosis.Fix{Title: "Renew the certificate, or give the program the certificate of the authority that signed it; compare the name that it calls with those in the certificate"})
		p.Report(f)
	},
}

// plain is how TLS libraries put it that the answer was none of TLS (Go crypto/tls, OpenSSL).
var plain = regex.New(`(?i)first record does not look like|wrong[_ ]version[_ ]number|server gave HTTP response to HTTPS client`)
