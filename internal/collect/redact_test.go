// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// A canary is a text with planted secrets, and what has to be left of it. A tilde stands for nothing: it keeps the
// planted tokens from being taken for real ones by those who search repositories for them.
type canary struct{ in, want string }

// jwt is a token as Kubernetes issues it to a service account.
const jwt = "ey~JhbGciOiJSUzI1NiIsImtpZCI6IjEyMyJ9.ey~Jpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50Iiwic3ViIjoieCJ9.c2lnbmF0dXJlLWNhbmFyeS0wMDE_-x"

var tokenCanaries = []canary{
	{"got " + jwt + " from API", "got [masked] from API"},
	{jwt[:60], "[masked]"},
	{"Authorization: Bearer " + jwt, "Authorization: Bearer [masked]"},
	{"Authorization: Basic dXNlcjpodW50ZXIy", "Authorization: Basic [masked]"},
	{"authorization: token abc123def", "authorization: token [masked]"},
	{`headers: map[Accept:[*/*] Authorization:[Bearer abc.DEF-123] User-Agent:[curl/8]]`, `headers: map[Accept:[*/*] Authorization:[Bearer [masked]] User-Agent:[curl/8]]`},
	{`{"Authorization":["Basic dXNlcjpodW50ZXIy"],"Host":"db"}`, `{"Authorization":["Basic [masked]"],"Host":"db"}`},
	{`"Proxy-Authorization": "Negotiate YIIJvwYGKwYBBQUCoIIJ"`, `"Proxy-Authorization": "Negotiate [masked]"`},
	{"sent header Bearer abcdefgh12345678ijkl to https://api.example.com/v1", "sent header Bearer [masked] to https://api.example.com/v1"},
	{"retry with Basic dXNlcjpodW50ZXIy failed", "retry with Basic [masked] failed"},
	{"using key AK~IAIOSFODNN7EXAMPLE in eu-west-1", "using key [masked] in eu-west-1"},
	{"AS~IAIOSFODNN7EXAMPLE", "[masked]"},
	{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [masked]"},
	{"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY AWS_REGION=eu-west-1", "AWS_SECRET_ACCESS_KEY=[masked] AWS_REGION=eu-west-1"},
	{"GET https://maps.googleapis.com/api?key=AI~zaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY&q=x", "GET https://maps.googleapis.com/api?key=[masked]&q=x"},
	{"oauth ya~29.a0AfH6SMBx-abcdefghijklmnop_12345 ok", "oauth [masked] ok"},
	{"AccountName=store;AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4==;EndpointSuffix=core.windows.net", "AccountName=store;AccountKey=[masked];EndpointSuffix=core.windows.net"},
	{"Endpoint=sb://bus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=abcDEF123+/=", "Endpoint=sb://bus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=[masked]"},
	{"PUT https://s.blob.core.windows.net/c?sv=2022&sig=kurMLZgkzsqVHIgKPByQwErTyuIoPaSdFg%3D&se=2026 403", "PUT https://s.blob.core.windows.net/c?sv=2022&sig=[masked]&se=2026 403"},
	{"PUT https://s.blob.core.windows.net/c?sv=2022&sig=Ab3%2Fd9Kx7ZQe1mN5pRt8vW2y%3D&se=2026 403", "PUT https://s.blob.core.windows.net/c?sv=2022&sig=[masked]&se=2026 403"},
	{"X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024", "X-Amz-Signature=[masked]"},
	{"cloning with gh~p_16C7e42F292c6912E7710c838347Ae178B4a", "cloning with [masked]"},
	{"git~hub_pat_11ABCDEFG0abcdefghijkl_MNOPQRSTUVWXYZabcdefghijkl", "[masked]"},
	{"https://gl~pat-abcDEF123456ghiJKL78@gitlab.example.com/a.git", "https://[masked]@gitlab.example.com/a.git"},
	{"slack xo~xb-123456789012-abcdefghij", "slack [masked]"},
	{"post https://hooks.slack.com/ser~vices/T00000000/B00000000/XXXXabcd1234XXXX failed: 404", "post https://hooks.slack.com/services/[masked] failed: 404"},
	{"//npm.example/:_authToken=np~m_abcdefghijklmnopqrstuvwxyz0123456789", "//npm.example/:_authToken=[masked]"},
	{"stripe sk~_live_4eC39HqLyjWDarjtT1zdp7dc declined", "stripe [masked] declined"},
	{"openai sk~-proj-abcDEFghiJKL0123456789mnop", "openai [masked]"},
	{"SG~.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr", "[masked]"},
	{"vault hv~s.CAESIJlWh3abcdefghijklmnop0123", "vault [masked]"},
	{"dck~r_pat_abcdefghijklmnopqrstuvwxyz1", "[masked]"},
	{"hf~_abcdefghijklmnopqrstuvwxyzABCDEFGH", "[masked]"},
	{`{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpodW50ZXIy"}}}`, `{"auths":{"https://index.docker.io/v1/":{"auth":"[masked]"}}}`},
	{".dockerconfigjson: ey~JhdXRocyI6eyJyZWciOnsiYXV0aCI6ImRYTmxjanB3ZHc9PSJ9fX0=", ".dockerconfigjson: [masked]"},
	{"client-key-data: LS0~tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3dJQkFBS0NBUUVB", "client-key-data: [masked]"},
	{"decoded LS0~tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUVvd0lCQUFLQ0FRRUE=", "decoded [masked]"},
	{"$2b~$12$KIXQJ0bO0yZ0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0u", "[masked]"},
	{"hash: $argon~2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG", "hash: [masked]"},
	{`log "line\nAK~IAIOSFODNN7EXAMPLE\n"`, `log "line\n[masked]\n"`},
}

var namedCanaries = []canary{
	{"password=hunter2", "password=[masked]"},
	{"passwd: hunter2", "passwd: [masked]"},
	{"DB_PASSWORD=hunter2 DB_HOST=db", "DB_PASSWORD=[masked] DB_HOST=db"},
	{"db.password = hunter2", "db.password = [masked]"},
	{"spring.datasource.password: s3cr3t", "spring.datasource.password: [masked]"},
	{`{"user":"app","password":"hunter2","host":"db"}`, `{"user":"app","password":"[masked]","host":"db"}`},
	{`{"password": "with \"quotes\" inside", "n": 1}`, `{"password": "[masked]", "n": 1}`},
	{`msg="{\"password\":\"hunter2\",\"host\":\"db\"}"`, `msg="{\"password\":\"[masked]\",\"host\":\"db\"}"`},
	{`{"clientSecret":"abc","clientId":"x"}`, `{"clientSecret":"[masked]","clientId":"x"}`},
	{`"password":"cut off here`, `"password":"[masked]`},
	{"api_key: abcd1234", "api_key: [masked]"},
	{"x-api-key: abcd1234", "x-api-key: [masked]"},
	{"APIKey=abcd1234", "APIKey=[masked]"},
	{"secret=abc123", "secret=[masked]"},
	{"client_secret=abc&grant_type=client_credentials", "client_secret=[masked]&grant_type=client_credentials"},
	{"access_token=abc123&state=x", "access_token=[masked]&state=x"},
	{"token: a1b2c3d4", "token: [masked]"},
	{"X-Vault-Token: s.abc123def", "X-Vault-Token: [masked]"},
	{"SECRET_KEY_BASE=deadbeefcafe", "SECRET_KEY_BASE=[masked]"},
	{"Uid=sa;Pwd=hunter2;Server=db", "Uid=sa;Pwd=[masked];Server=db"},
	{"host=db user=app password=h,u;n&ter2 dbname=x", "host=db user=app password=[masked] dbname=x"},
	{"Config{User:app Password:hunter2 Host:db}", "Config{User:app Password:[masked] Host:db}"},
	{"{'password': 'hunter2', 'host': 'db'}", "{'password': '[masked]', 'host': 'db'}"},
	{"[password] => hunter2", "[password] => [masked]"},
	{`:password=>"hunter2", :host=>"db"`, `:password=>"[masked]", :host=>"db"`},
	{"Using generated security password: 3f2a8c1e-7b64-4a0e-9d3c-1f2e3d4c5b6a", "Using generated security password: [masked]"},
	{"encryption-key=c2VjcmV0", "encryption-key=[masked]"},
	{"example.com/api-token: abc123", "example.com/api-token: [masked]"},
	{`session="dGhpc0lzQVZlcnlMb25nU2Vzc2lvbjEyMzQ1"`, `session="[masked]"`},
	{"key=Zk3Jq9Lw2Xv8Tn5Rb7Yd4", "key=[masked]"},
	{"Cookie: sid=abc123; theme=dark", "Cookie: [masked]"},
	{"Set-Cookie: JSESSIONID=0A1B2C; Path=/; HttpOnly", "Set-Cookie: [masked]; HttpOnly"},
	{`"cookie":"sid=abc; x=y","host":"a"`, `"cookie":"[masked]","host":"a"`},
	{`{"name":"DB_PASSWORD","value":"hunter2"}`, `{"name":"DB_PASSWORD","value":"[masked]"}`},
	{"- name: API_TOKEN\n  value: abc123\n- name: A\n  value: b", "- name: API_TOKEN\n  value: [masked]\n- name: A\n  value: b"},
	{"kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:1234", "kubeadm join 10.0.0.1:6443 --token [masked] --discovery-token-ca-cert-hash sha256:1234"},
	{"app --db-password hunter2 --db-host db", "app --db-password [masked] --db-host db"},
	{"mysqladmin ping -h db -uroot -phunter2 failed", "mysqladmin ping -h db -uroot -p[masked] failed"},
	{"redis-cli -h r -a hunter2 ping", "redis-cli -h r -a [masked] ping"},
	{"curl -s -u admin:hunter2 http://db/", "curl -s -u admin:[masked] http://db/"},
	{"STATEMENT: ALTER ROLE app WITH PASSWORD 'hunter2';", "STATEMENT: ALTER ROLE app WITH PASSWORD '[masked]';"},
	{"CREATE USER 'app'@'%' IDENTIFIED BY 'hunter2'", "CREATE USER 'app'@'%' IDENTIFIED BY '[masked]'"},
	{`wrong password "hunter2" for app`, `wrong password "[masked]" for app`},
	{"password=[masked]hunter2", "password=[masked]"},
}

var urlCanaries = []canary{
	{"postgres://app:hunter2@db:5432/shop?sslmode=off", "postgres://app:[masked]@db:5432/shop?sslmode=off"},
	{"dial redis://:hunter2@cache:6379/0: i/o timeout", "dial redis://:[masked]@cache:6379/0: i/o timeout"},
	{"mongodb+srv://u:p%40ss@a,b.example.com/db", "mongodb+srv://u:[masked]@a,b.example.com/db"},
	{"amqp://guest:gu@est@mq:5672/", "amqp://guest:[masked]@mq:5672/"},
	{"https://bob:pa/ss?w#x@proxy:3128", "https://bob:[masked]@proxy:3128"},
	{`{"url":"mysql:\/\/root:hunter2@db\/x"}`, `{"url":"mysql:\/\/root:[masked]@db\/x"}`},
	{"jdbc:postgresql://db/x?user=app&password=hunter2", "jdbc:postgresql://db/x?user=app&password=[masked]"},
	{"jdbc:oracle:thin:scott/tiger1@db:1521/x", "jdbc:oracle:thin:scott/[masked]@db:1521/x"},
	{"dsn root:hunter2@tcp(db:3306)/shop", "dsn root:[masked]@tcp(db:3306)/shop"},
	{"amqp://a:b1@h1,amqp://a:b2@h2", "amqp://a:[masked]@h1,amqp://a:[masked]@h2"},
}

const (
	keyText = "-----BE~GIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1234567890abcdef\nghijklmnop/qrstuv+wxyz==\n-----END RSA PRIVATE KEY-----\n"
	stamped = "2026-11-23T18:09:00.1Z -----BE~GIN PRIVATE KEY-----\n2026-11-23T18:09:00.2Z MIIEowIBAAKCAQEA1234\n2026-11-23T18:09:00.3Z Zm9v\n2026-11-23T18:09:00.4Z -----END PRIVATE KEY-----\n"
)

var keyCanaries = []canary{
	{"a\n" + keyText + "b\n", "a\n-----BEGIN RSA PRIVATE KEY-----\n[masked]\n\n-----END RSA PRIVATE KEY-----\nb\n"},
	{stamped, "2026-11-23T18:09:00.1Z -----BEGIN PRIVATE KEY-----\n2026-11-23T18:09:00.2Z [masked]\n2026-11-23T18:09:00.3Z \n2026-11-23T18:09:00.4Z -----END PRIVATE KEY-----\n"},
	{keyText[:70], "-----BEGIN RSA PRIVATE KEY-----\n[masked]\n"},
	{keyText[34:], "[masked]\n\n-----END RSA PRIVATE KEY-----\n"},
	{`x -----BE~GIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04f\n-----END EC PRIVATE KEY-----\n y`, `x -----BEGIN EC PRIVATE KEY-----[masked]-----END EC PRIVATE KEY-----\n y`},
	{`{"private_key":"-----BE~GIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n","type":"x"}`, `{"private_key":"[masked]","type":"x"}`},
}

func TestRedactCanaries(t *testing.T) {
	for _, list := range [][]canary{tokenCanaries, namedCanaries, urlCanaries, keyCanaries} {
		for _, c := range list {
			in := strings.ReplaceAll(c.in, "~", "")
			got, spans := Redact(in)
			if got != c.want {
				t.Errorf("Redact(%q)\n  = %q\nwant %q", in, got, c.want)
			}
			if spans == 0 {
				t.Errorf("Redact(%q) counts nothing", in)
			}
			checkRedacted(t, in, got)
		}
	}
}

// checkRedacted checks what holds for any text: nothing left for a second call, lines kept, and not much longer.
func checkRedacted(t *testing.T, in, got string) {
	t.Helper()
	again, spans := Redact(got)
	if again != got || spans != 0 {
		t.Errorf("Redact(%q)\n  = %q\nand a second time %q", in, got, again)
	}
	if strings.Count(got, "\n") != strings.Count(in, "\n") {
		t.Errorf("Redact(%q) = %q changes the number of lines", in, got)
	}
	if len(got) > 2*len(in)+len("[masked]") { // a secret of two bytes is masked too
		t.Errorf("Redact(%q) = %q grows from %d to %d bytes", in, got, len(in), len(got))
	}
	if utf8.ValidString(in) && !utf8.ValidString(got) {
		t.Errorf("Redact(%q) = %q cuts a rune", in, got)
	}
}

// Every line of the clean corpus is what real programs log about nothing secret.
func TestRedactLeavesOrdinaryLines(t *testing.T) {
	corpus, err := os.ReadFile("testdata/clean.log")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(corpus)) {
		if got, spans := Redact(line); got != line || spans != 0 {
			t.Errorf("Redact(%q)\n  = %q", line, got)
		}
	}
	if got, spans := Redact(string(corpus)); got != string(corpus) || spans != 0 {
		t.Errorf("as a whole the corpus has %d masked spans", spans)
	}
}

func FuzzRedact(f *testing.F) {
	for _, list := range [][]canary{tokenCanaries, namedCanaries, urlCanaries, keyCanaries} {
		for _, c := range list {
			f.Add(strings.ReplaceAll(c.in, "~", ""))
		}
	}
	f.Add(`Back-off pulling image "https://user:hunter2@host.example/api-token:1": image \"a-secret:2\"`)
	f.Add("password=a,token=b;secret=[masked]x\x00\xff")
	f.Fuzz(func(t *testing.T, in string) {
		got, _ := Redact(in)
		checkRedacted(t, in, got)
	})
}
