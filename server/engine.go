package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/postgres"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// engine is a store, and what an operator may ask of one.
type engine interface {
	halberd.Store
	// Integrity returns what is wrong with what is kept, a sentence each.
	Integrity(ctx context.Context) ([]string, error)
}

// copier is an engine whose database is copied by us. The others have tools of
// their own.
type copier interface {
	Backup(ctx context.Context, w io.Writer) error
}

// durable is an engine whose database is set up by others: what may lose a
// change that was answered is for them to mend.
type durable interface {
	Durability(ctx context.Context) (findings []string, err error)
}

// shared reports whether several nodes may have the database in common.
func (c Config) shared() bool { return c.Database != "" }

// open opens the engine that the settings name. existing makes nothing that is
// not there.
func (c Config) open(ctx context.Context, log *slog.Logger, existing bool) (engine, error) {
	if !c.shared() {
		if former := setAsideIn(c.Data); former != "" {
			return nil, fmt.Errorf("what was kept here was moved to PostgreSQL (%s): name that with --database", former)
		}
		return sqlite.Open(ctx, c.Data, sqlite.Options{Log: log})
	}
	o := postgres.Options{Log: log, Password: c.databasePassword, Existing: existing, StartTimeout: startPatience}
	if existing { // somebody stands there and waits
		o.StartTimeout = 5 * time.Second
	}
	s, err := postgres.Open(ctx, c.Database, c.Data, o)
	if err != nil {
		return nil, refused(err)
	}
	return plantedStore(s), nil
}

// inUse reports whether err says that another process holds the folder.
func inUse(err error) bool {
	return errors.Is(err, sqlite.ErrInUse) || errors.Is(err, postgres.ErrInUse)
}

// mustHoldData refuses a folder that no server was ever started on.
func (c Config) mustHoldData() error {
	if c.shared() {
		if !there(c.Data) {
			return fmt.Errorf("there is no folder %s: name the node's with --data", c.Data)
		}
		return nil
	}
	return mustHoldData(c.Data)
}

// notOurs is the answer to who would copy a PostgreSQL with hb.
func (c Config) notOurs(verb string) error {
	return fmt.Errorf("the database is a PostgreSQL, and hb %s is for SQLite: use PostgreSQL's own tools (pg_dump, pg_restore, or a base backup with its log). "+
		"Save %s and %s of every node's folder apart from it: without the pepper no key can be checked", verb, pepperFile, journalFile)
}
