// SPDX-License-Identifier: Apache-2.0

package history

import "context"

// Namespaces returns up to most of the namespaces that incidents touch, in order. It steps along the index from each to the
// next, so that a million incidents cost no more than a few.
func (s *Store) Namespaces(ctx context.Context, most int) ([]string, error) {
	var all []string
	err := s.query(ctx, s.reads, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		all = append(all, name)
		return err
	}, `WITH RECURSIVE step (name) AS (
			SELECT (SELECT MIN(namespace) FROM shares)
			UNION ALL
			SELECT (SELECT MIN(namespace) FROM shares WHERE namespace > step.name) FROM step WHERE step.name IS NOT NULL
		) SELECT name FROM step WHERE name <> '' LIMIT $1`, most)
	return all, s.explain("read", err)
}
