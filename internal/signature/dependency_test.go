// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDependencies(t *testing.T) {
	for line, want := range map[string]Dependency{
		`dial tcp 10.0.0.5:5432: connect: connection refused`:                                                                {"10.0.0.5:5432", Refused},
		`dial tcp [fd00::5]:5432: connect: no route to host`:                                                                 {"[fd00::5]:5432", Unreachable},
		`read tcp 10.244.1.3:40112->10.96.0.1:443: i/o timeout`:                                                              {"10.96.0.1:443", TimeOut},
		`dial tcp: lookup db.shop.svc on 10.96.0.10:53: no such host`:                                                        {"db.shop.svc", NoSuchHost},
		`Get "https://auth.shop/keys": tls: failed to verify certificate: x509: certificate signed by unknown authority`:     {"auth.shop", TLS},
		`Put "https://10.96.0.1:443/apis/x": context deadline exceeded`:                                                      {"10.96.0.1:443", TimeOut},
		`requests.exceptions.ConnectionError: HTTPConnectionPool(host='catalog', port=8080): [Errno 111] Connection refused`: {"catalog:8080", Refused},
		`connection to server at "db" (10.96.0.7), port 5432 failed: FATAL:  password authentication failed for user "shop"`: {"db:5432", Auth},
		`could not translate host name "db" to address: Temporary failure in name resolution`:                                {"db", NoSuchHost},
		`Error: connect ECONNREFUSED 10.96.14.2:27017`:                                                                       {"10.96.14.2:27017", Refused},
		`Error: getaddrinfo ENOTFOUND catalog.shop.svc`:                                                                      {"catalog.shop.svc", NoSuchHost},
		`Caused by: java.net.UnknownHostException: kafka-0.kafka: Name or service not known`:                                 {"kafka-0.kafka", NoSuchHost},
		`Connection to postgres:5432 refused. Check that the hostname and port are correct. Connection refused`:              {"postgres:5432", Refused},
		`Connection refused - connect(2) for "db" port 5432 (Errno::ECONNREFUSED)`:                                           {"db:5432", Refused},
		`Connection refused - connect(2) for 10.96.3.4:6379 (RedisClient::CannotConnectError)`:                               {"10.96.3.4:6379", Refused},
		`Error 111 connecting to redis:6379. Connection refused.`:                                                            {"redis:6379", Refused},
		`host not found in upstream "catalog" in /etc/nginx/conf.d/default.conf:12`:                                          {"catalog", NoSuchHost},
		`consumer: Cannot connect to amqp://guest:**@rabbit:5672//: [Errno 111] Connection refused.`:                         {"rabbit:5672", Refused},
		`curl: (28) Failed to connect to catalog port 8080 after 3000 ms: Connection timed out`:                              {"catalog:8080", TimeOut},
		`db:5432 - no response`:                                                                      {"db:5432", TimeOut},
		`db:5432 - accepting connections`:                                                            {},
		`nc: bad address 'db'`:                                                                       {"db", NoSuchHost},
		`main.go:42: connection refused`:                                                             {},
		`panic: runtime error: index out of range [3] with length 3`:                                 {},
		`18:01:02 lost the lock on /data/lock`:                                                       {},
		`password authentication failed for user "shop"`:                                             {},
		`open /etc/shop.yaml:12: permission denied`:                                                  {},
		`Can't connect to MySQL server on 'db:3306' (111 "Connection refused")`:                      {"db:3306", Refused},
		`tcp connect (db:5432): non-existing domain - :nxdomain`:                                     {"db:5432", NoSuchHost},
		`System.Net.Sockets.SocketException (111): Connection refused [::ffff:10.96.0.9]:5672 queue`: {},
	} {
		var got Dependency
		if found := Dependencies(Block{Headline: line, Lines: []string{line}}); len(found) > 0 {
			got = found[0]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}
