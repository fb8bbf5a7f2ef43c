// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServices(t *testing.T) {
	for target, want := range map[string][]ServiceName{
		"db:5432":                         {{"shop", "db"}},
		"db":                              {{"shop", "db"}},
		"DB.data.svc.cluster.local.:5432": {{"data", "db"}},
		"db.data.svc":                     {{"data", "db"}},
		"db-0.db.data.svc.cluster.local":  {{"data", "db"}},
		"db.data:5432":                    {{"data", "db"}, {"shop", "data"}},
		"api.example.com:443":             nil,
		"10.96.0.1:443":                   nil,
		"[fd00::5]:5432":                  nil,
		"localhost:8080":                  nil,
		"svc.example.com":                 nil,
		"my.svcs.example.com":             nil,
	} {
		got, sure := Dependency{Target: target}.Services("shop")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
		if sure != (len(want) == 1) {
			t.Errorf("%s: sure %t", target, sure)
		}
	}
}
