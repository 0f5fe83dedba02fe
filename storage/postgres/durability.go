package postgres

import (
	"context"
	"fmt"

	"github.com/halberdhq/halberd"
)

// Durability looks at how the database keeps what is written. It returns what
// may lose a revocation, a sentence each that says what to set, none when all is
// well; err says that it could not look.
func (s *Store) Durability(ctx context.Context) (findings []string, err error) {
	var fsync, pages, commit, names string
	var replicas int64
	if _, err := s.ask(ctx, s.control, `SELECT current_setting('fsync'), current_setting('full_page_writes'),
		current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
		(SELECT count(*) FROM pg_stat_replication)`, nil, func(s *scanner) {
		fsync, pages, commit, names, replicas = s.text(), s.text(), s.text(), s.text(), s.int()
	}); err != nil {
		return nil, err
	}
	found := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	if fsync != "on" {
		found("fsync is %s: a crash of the database's machine loses changes that were answered; set fsync = on", fsync)
	}
	if pages != "on" {
		found("full_page_writes is %s: a crash of the database's machine may damage it; set full_page_writes = on", pages)
	}
	switch {
	case commit == "off":
		found("synchronous_commit is off: a crash of the database loses changes that were answered; set synchronous_commit = on")
	case commit == "local" && (names != "" || replicas > 0):
		found("synchronous_commit is local, which no replica is waited for with: a failover loses changes that were answered; set synchronous_commit = on")
	case replicas == 0 && names != "":
		found("synchronous_standby_names is %q and no standby is connected: no change is taken until one is, and nodes stop when their leases end; "+
			"start the standby, or empty the setting if it is gone for good", names)
	case replicas > 0 && names == "":
		found("replicas are there, %d, and none is waited for (synchronous_standby_names is empty): a failover loses changes that were answered; "+
			"name them in synchronous_standby_names (with Patroni: synchronous_mode: true)", replicas)
	}
	return findings, nil
}

// Integrity looks at the node's folder, and at whether the tables fit each
// other. It returns what is wrong, a sentence each; err says that it could not
// look. Damage of the disk is PostgreSQL's to find (pg_amcheck, checksums).
func (s *Store) Integrity(ctx context.Context) (findings []string, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	s.keeper.Check(found)
	err = s.View(ctx, func(r halberd.Reader) error {
		return r.(reader).get(`SELECT
			(SELECT count(*) FROM (SELECT project, count(*) AS living FROM keys WHERE gone = 0 AND project IS NOT NULL GROUP BY project) k
				FULL JOIN populations p USING (project) WHERE coalesce(k.living, 0) <> coalesce(p.living, 0)),
			(SELECT count(*) FROM head h JOIN changes c USING (revision, mark)),
			(SELECT revision FROM head)`, nil, func(s *scanner) {
			if n := s.int(); n > 0 {
				found("the number of keys of %d projects is not what was counted when they were made", n)
			}
			if known, revision := s.int(), s.int(); known != 1 {
				found("the log of changes does not end with revision %d", revision)
			}
		})
	})
	return findings, err
}
