// SPDX-License-Identifier: Apache-2.0

package collect

import "testing"

// TestInText: of a variable or a file of a ConfigMap it is told where a secret lies in it, and not where a script only names one.
func TestInText(t *testing.T) {
	for text, test := range map[string]struct {
		name string
		want bool
	}{
		"tr0ub4dor-and-3":                           {"DB_PASSWORD", true},
		"corre/ct-horse":                            {"DB_PASSWORD", true},
		"${ROOT_PASSWORD}-1":                        {"DB_PASSWORD", false},
		"{{ .Values.password }}":                    {"DB_PASSWORD", false},
		"mysql -p\"$MYSQL_PASSWORD\" -e 'select 1'": {"RUN", false},
		"export PGPASSWORD=$(cat /run/db); psql":    {"RUN", false},
		"export PGPASSWORD=tr0ub4dor; psql":         {"RUN", true},
		"#!/bin/sh\nset -e\nTOKEN=$(vault read -field=token x)\ncurl -H \"Authorization: Bearer $TOKEN\" http://h\n": {"get-token", false},
		"#!/bin/sh\nTOKEN=battery-staple\n":                                                       {"get-token", true},
		"pw = os.environ['DB']\nconnect(user=user, password=pw)\n":                                {"run.py", false},
		"connect(user=user, password=tr0ub4dor)\n":                                                {"run.py", true},
		"pw = 'x'\nconnect(password=\"pw\")\n":                                                    {"run.py", true},
		"def login(user, pw):\n    connect(password=pw)\n":                                        {"run.py", false},
		"import settings\nconnect(password=settings.db)\n":                                        {"run.py", false},
		"class A:\n  def run(self):\n    connect(password=self.pw)\n":                             {"run.py", false},
		"if pw == 1:\n    connect(password=pw)\n":                                                 {"run.py", true},
		"fetch_it() {\n  cat x\n}\nTOKEN=`fetch_it`\n":                                            {"run.sh", false},
		"def fetch():\n    return 1\ntoken = fetch()\n":                                           {"run.py", false},
		"spring.datasource.username=web\nspring.datasource.password=battery-staple\n":             {"application.properties", true},
		"spring.datasource.password=${DB_PASSWORD:none}\n":                                        {"application.properties", false},
		"location / { proxy_set_header Authorization $http_authorization; proxy_pass http://h; }": {"nginx.conf", false},
	} {
		if got := inText(test.name, text); got != test.want {
			t.Errorf("%s: %q: %v, want %v", test.name, text, got, test.want)
		}
	}
}
