// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CertificateEnds recognises certificates of the control plane that end soon.
var CertificateEnds = &diagnosis.Rule{
	ID:    "CTL010",
	Title: "Certificate of the control plane ends soon",
	Doc: `
The certificate that the API server shows, or that of the client that asks, is valid for less than a week. After that nobody can talk to the API server, or this user cannot: clusters made by kubeadm renew theirs at an upgrade, and one that is not
upgraded for a year ends like this.

**How it is told from its look-alikes.** By the dates in the certificate of this very connection. One that was made for less than two weeks is renewed all the time, and counts only in the last tenth of its life. What is not seen here: certificates of etcd, of kubelets and of other machines of the control plane, which mostly were made on the same day.

**What to do.** Renew them: kubeadm certs renew all on each machine of the control plane, then restart its static pods; for a client get a new kubeconfig.

Seven days and one day are the marks of kubernetes-mixin.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Control,
	Effect: diagnosis.CertExpired,
	Run: func(p *diagnosis.Pass) {
		for _, f := range measured(p, "serving-certificate", "client-certificate") {
			if f.Value >= certWarning.Seconds() {
				continue
			}
			who, command := "the API server's certificate", "kubeadm certs check-expiration; kubeadm certs renew all"
			if f.Name == "client-certificate" {
				who, command = "the client certificate of this kubeconfig", "kubectl config view --minify"
			}
			left := fmt.Sprintf("ends in %s, and nobody can use it after that", (time.Duration(f.Value) * time.Second).Round(time.Minute))
			if f.Value <= 0 {
				left = "has expired, and nobody can use it any more"
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: []evidence.Fact{f}, Message: who + " " + left,
				Fixes: look("Renew it", command),
			})
		}
	},
}

// certWarning is how long before its end a certificate is trouble.
const certWarning = 7 * 24 * time.Hour
