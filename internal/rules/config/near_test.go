// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

func TestNear(t *testing.T) {
	keys := []string{"database_url", "log_level", "app.yaml", "port"}
	for want, meant := range map[string]string{
		"databaseurl": "database_url", "DATABASE_URL": "database_url", "log_levl": "log_level", "app.yml": "app.yaml",
		"pord": "", "PORT": "port", "colour": "",
	} {
		if got := near(want, keys); got != meant {
			t.Errorf("near(%q) = %q, want %q", want, got, meant)
		}
	}
	if got := near("level1", []string{"level2", "level3"}); got != "" {
		t.Errorf("near(level1) = %q, want none of two", got)
	}
}
