// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"testing"

	"github.com/kubeinquest/inquest/internal/signature"
)

func TestSayings(t *testing.T) {
	for line, want := range map[string]class{
		`tls: failed to verify certificate: x509: certificate has expired or is not yet valid`:  certificate,
		`x509: certificate signed by unknown authority`:                                         certificate,
		`[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate`:   certificate,
		`javax.net.ssl.SSLHandshakeException: PKIX path building failed`:                        certificate,
		`Error: unable to verify the first certificate`:                                         certificate,
		`FATAL: password authentication failed for user "shop"`:                                 credentials,
		`Access denied for user 'shop'@'10.1.0.5' (using password: YES)`:                        credentials,
		`NOAUTH Authentication required.`:                                                       credentials,
		`ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN`:               credentials,
		`nats: Authorization Violation`:                                                         credentials,
		`get orders: unexpected status code: 401`:                                               credentials,
		`pods is forbidden: User "system:serviceaccount:a:b" cannot list resource "pods"`:       nothing,
		`Failed to list *v1.Pod: 403 Forbidden: User "system:serviceaccount:a:b" cannot list`:   nothing,
		`FATAL: sorry, too many clients already`:                                                full,
		`FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute`: full,
		`ERROR 1040 (HY000): Too many connections`:                                              full,
		`HikariPool-1 - Connection is not available, request timed out after 30001ms`:           full,
		`QueuePool limit of size 5 overflow 10 reached, connection timed out`:                   full,
		`upstream answered 429 Too Many Requests`:                                               full,
		`accept4: too many open files`:                                                          nothing,
		`dial tcp 10.96.0.7:5432: connect: connection refused`:                                  nothing,
		`open /etc/shop/x: permission denied`:                                                   nothing,
	} {
		c := call{block: signature.Block{Headline: line, Lines: []string{line}}}
		if got := c.bySaying(); got != want {
			t.Errorf("%s: class %d, want %d", line, got, want)
		}
	}
}
