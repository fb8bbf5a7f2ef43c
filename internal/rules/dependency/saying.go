// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// A saying is how clients and servers put what only words can tell, in lower case.
type saying struct {
	class class
	says  *regex.Expr
	not   *regex.Expr
}

// needed are the literals without which a saying says nothing.
var needed = signature.LiteralsOf(len(sayings), func(i int) fmt.Stringer { return sayings[i].says })

// sayings in the order in which they count: of Go's crypto/x509, OpenSSL, Java, Node.js and Python; of PostgreSQL, MySQL,
// MongoDB, Redis, AMQP, LDAP and HTTP clients.
var sayings = []saying{
	{class: certificate, says: regex.New(`x509: |certificate (?:has expired|verify failed|is not (?:yet )?valid|signed by unknown|relies on legacy|not trusted|required)|(?:self[- ]signed|untrusted|expired|invalid|bad) certificate|unable to (?:get local issuer|verify the first) certificate|pkix path|sslhandshakeexception|cert_has_expired|depth_zero_self_signed|certificateexpired|tls: (?:bad|unknown|failed|expired|handshake|first record|internal)|ssl: (?:certificate|wrong_version)|ssl routines|certificate for .{0,80} doesn't match|err_tls_cert`)},
	{class: full, says: regex.New(`too many (?:connections|clients|requests)|remaining connection slots|connection pool (?:is )?(?:exhausted|full|timeout|limit)|(?:queuepool|pool) limit|pool (?:is )?exhausted|max(?:imum)? (?:number of )?(?:clients|connections) (?:reached|exceeded)|rate.?limit\w* (?:exceeded|reached|hit)|ratelimit|status(?: code)?[:= ]*429|\b429 too many|http 429|max_user_connections|connection is not available, request timed out after|timed out (?:fetching|waiting for|acquiring) .{0,40}(?:connection|pool)`)},
	{class: credentials, says: regex.New(`(?:password )?authentication failed|access denied for user|\b401\b.{0,20}unauthori[sz]ed|unauthori[sz]ed.{0,20}\b401\b|\bnoauth\b|wrongpass|invalid ?(?:password|credentials|username|api[- ]key|token|grant)|login failed|auth(?:entication)? fail\w*|access_refused|bad credentials|incorrect (?:username|password)|permission denied \(publickey|role "[^"]+" does not exist|(?:403|401) (?:forbidden|unauthorized)|status(?: code)?[:= ]*40[13]\b|(?:expired|revoked) token|token (?:has |is )?(?:expired|revoked|invalid)|invalidclienttokenid|signaturedoesnotmatch|accessdenied\b|is not authorized to perform|permissiondenied: 403|access key id .{0,40}does not exist|permission denied for (?:table|schema|relation|database)|no pg_hba\.conf entry`), not: regex.New(`system:serviceaccount|is forbidden: user`)},
}

// leases are the words of a program that could not renew its lease.
var leases = regex.New(`(?i)leader ?election|\blease\b`)

// proxies are the names that service meshes give their sidecars.
var proxies = []string{"istio-proxy", "linkerd-proxy", "envoy", "kuma-sidecar", "consul-dataplane", "envoy-sidecar", "aws-appmesh-envoy", "osm-envoy", "cilium-envoy"}

// meshWaits tells whether the call failed because the pod's proxy, through which all calls go, had not started when the
// run ended: an ordinary sidecar that came up after the container needed it. Until then nothing listens, answers or resolves.
func meshWaits(p *diagnosis.Pass, c *call) bool {
	if !c.run.Ended() || !slices.Contains([]string{signature.Refused, signature.TimeOut, signature.NoSuchHost}, c.Problem) {
		return false
	}
	proxy := proxyOf(p.PodSpec())
	for _, st := range p.PodStatus().ContainerStatuses {
		if st.Name == proxy && st.State.Running != nil {
			return st.RestartCount == 0 && st.State.Running.StartedAt.Add(settling).After(c.run.Finished) && c.run.Of.Attempt == 0
		}
	}
	return false
}

// settling is what a proxy needs after its start before it takes connections.
const settling = 5 * time.Second

// proxyOf returns the name of the pod's proxy where it is an ordinary container. A native sidecar (KEP-753) has started
// before.
func proxyOf(spec *corev1.PodSpec) string {
	for _, c := range spec.Containers {
		if slices.Contains(proxies, c.Name) {
			return c.Name
		}
	}
	return ""
}
