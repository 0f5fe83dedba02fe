package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/halberdhq/halberd"
)

// Integrity reads both databases from end to end and looks at the folder. It
// returns what is wrong, a sentence each, none when all is well; err says that
// it could not look. It takes seconds for a million keys, and does not hold up
// changes. MACs are the ground's to check.
func (s *Store) Integrity(ctx context.Context) (findings []string, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	for _, name := range []string{keysName, usageName} {
		if err := s.checkDatabase(ctx, name, found); err != nil {
			return findings, err
		}
	}
	if err := s.View(ctx, func(r halberd.Reader) error {
		return r.(reader).get("SELECT (SELECT keys FROM census), (SELECT count(*) FROM keys NOT INDEXED)", nil, func(s *scanner) {
			if want, got := s.int(), s.int(); got != want {
				found("%s holds %d keys, and %d were put into it", keysName, got, want)
			}
		})
	}); err != nil {
		return findings, err
	}
	s.keeper.Check(found, keysName, usageName)
	return findings, nil
}

// checkDatabase runs SQLite's own check on a connection of its own.
func (s *Store) checkDatabase(ctx context.Context, name string, found func(string, ...any)) (err error) {
	c, err := connect(ctx, s.folder.File(name), "PRAGMA query_only = 1")
	if err != nil {
		return unavailable(err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	err = reader{c: c, ctx: ctx}.all("PRAGMA integrity_check(20)", nil, func(s *scanner) {
		if text := s.text(); text != "ok" {
			found("%s: %s", name, text)
		}
	})
	if broken(err) {
		found("%s: %v", name, errors.Unwrap(err))
		return nil
	}
	return err
}
