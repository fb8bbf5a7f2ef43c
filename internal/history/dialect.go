// SPDX-License-Identifier: Apache-2.0

package history

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// A dialect is what the two databases do not say in the same words.
type dialect struct {
	goose  goose.Dialect
	dir    string // of its migrations
	begin  string // a transaction that writes
	lock   string // run first in it
	size   string // how many bytes the history takes
	shrink string // gives a part of what is free back to the disk
	tell   string // has other processes hear that something changed, and from whom; empty where there are none
	tidy   string // merges some pages of the search index; begun by a negative number; empty where the database does so itself
	// the search index, one row a share
	index, unindex, matches string
	indexed                 string // the last share in it, 0 where there is none
	query                   func(words []word, era int64) string
	list                    func(terms []string) any
	uid                     func(text string) any // as it is kept of pods
}

func (d *dialect) files() (fs.FS, error) { return fs.Sub(migrations, d.dir) }

// A word is searched for, any of some; with prefix, so is what begins with it. It consists of what terms keeps. One that is no tag is of
// a text, and is looked for in one era.
type word struct {
	any          []string
	prefix, text bool
}

// ask joins the words to a query: quoted, with what marks a beginning, and with the operators of a language.
func ask(words []word, era int64, quote, prefix, or, and string) string {
	var all []string
	for _, w := range words {
		var either []string
		if w.text {
			w.any = inEra(era, w.any)
		}
		for _, text := range w.any {
			term := quote + text + quote
			if w.prefix {
				term += prefix
			}
			either = append(either, term)
		}
		all = append(all, "("+strings.Join(either, or)+")")
	}
	return strings.Join(all, and)
}

var sqliteDialect = dialect{
	goose:   goose.DialectSQLite3,
	dir:     "migrations/sqlite",
	begin:   `BEGIN IMMEDIATE`,
	size:    `SELECT (p.page_count - f.freelist_count) * s.page_size FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s`,
	shrink:  `PRAGMA incremental_vacuum(1000)`,
	tidy:    `INSERT INTO search (search, rank) VALUES ('merge', $1)`,
	index:   `INSERT OR REPLACE INTO search (rowid, terms) VALUES ($1, $2)`,
	unindex: `DELETE FROM search WHERE rowid = $1`,
	matches: `SELECT rowid AS share FROM search WHERE search MATCH %s`,
	indexed: `SELECT COALESCE((SELECT rowid FROM search ORDER BY rowid DESC LIMIT 1), 0)`,
	query:   func(words []word, era int64) string { return ask(words, era, `"`, `*`, ` OR `, ` AND `) },
	list:    func(terms []string) any { return strings.Join(terms, " ") },
	uid:     shortUID,
}

// The lock makes writers of several replicas take turns, whoever of them is the leader: what one counts, the other has
// committed. It is let go with the transaction, and that ends for whoever stands still in it: a process that was stopped, or whose
// machine is gone without a word, keeps nobody waiting. Where the server, the database or the role is told not to wait for the disk, the
// transaction waits all the same. The size counts rows, because that of tables shrinks by a vacuum only.
var postgresDialect = dialect{
	goose: goose.DialectPostgres,
	dir:   "migrations/postgres",
	begin: `BEGIN`,
	lock: `SELECT set_config('idle_in_transaction_session_timeout', '5s', true), pg_advisory_xact_lock(1768842613),
		set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)`,
	size: `SELECT (SELECT COALESCE(SUM(octet_length(data)) + COUNT(*) * 100, 0) FROM blobs) + (SELECT COUNT(*) * 800 FROM deaths) +
		(SELECT COUNT(*) * 1500 FROM shares) + (SELECT COUNT(*) * 500 FROM events)`,
	shrink: `SELECT 1`,
	tell:   `SELECT pg_notify('` + channel + `', $1)`,
	index: `INSERT INTO search (share, terms) VALUES ($1, array_to_tsvector($2::text[]))
		ON CONFLICT (share) DO UPDATE SET terms = excluded.terms`,
	unindex: `DELETE FROM search WHERE share = $1`,
	matches: `SELECT share FROM search WHERE terms @@ %s::tsquery`,
	indexed: `SELECT COALESCE(MAX(share), 0) FROM search`,
	query:   func(words []word, era int64) string { return ask(words, era, `'`, `:*`, ` | `, ` & `) },
	list:    func(terms []string) any { return terms },
	uid:     func(text string) any { return text },
}
