package postgres

import (
	"context"
	"fmt"
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
	case replicas > 0 && names == "":
		found("there are %d replicas and none is waited for (synchronous_standby_names is empty): a failover loses changes that were answered; "+
			"name them in synchronous_standby_names (with Patroni: synchronous_mode: true)", replicas)
	}
	return findings, nil
}
