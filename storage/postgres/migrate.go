package postgres

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrating is the advisory lock that is held while the schema is changed.
const migrating = 0x68616c62657264 // "halberd"

// notPermitted is the SQLSTATE of what a user may not do.
const notPermitted = "42501"

var errNoTables = fmt.Errorf("%w: this user may not make tables in it (GRANT CREATE ON SCHEMA public, or own the database)", ErrUnsuitable)

// prepare waits until the database answers, and brings its schema to what this
// version knows. One node does it, and the others wait for it. ctx bounds it.
func prepare(ctx context.Context, config *pgxpool.Config, o Options) (err error) {
	c, err := reach(ctx, config, o.Log)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), beginTime)
		defer cancel()
		_ = c.Close(closing) // and with it the lock
	}()
	if err := direct(ctx, config, c); err != nil {
		return err
	}
	if err := suits(ctx, c); err != nil {
		return err
	}
	if o.Existing {
		return migrate(ctx, config, true)
	}
	if _, err := c.Exec(ctx, "SET lock_timeout = 0; SET statement_timeout = 0"); err != nil {
		return unavailable(err)
	}
	if _, err := c.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrating)); err != nil {
		if ctx.Err() != nil {
			return errors.New("another node changes the schema, and has not finished in time: start again when it has")
		}
		return unavailable(err)
	}
	return migrate(ctx, config, false)
}

// reach connects to a database that may not answer yet.
func reach(ctx context.Context, config *pgxpool.Config, log *slog.Logger) (*pgx.Conn, error) {
	told := false
	var before error
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		c, err := pgx.ConnectConfig(ctx, config.ConnConfig)
		if err == nil {
			return c, nil
		}
		if end, ends := ctx.Deadline(); before != nil && (ctx.Err() != nil || ends && !time.Now().Before(end)) {
			err = before // this try was cut short: the one before says more
		}
		before = err
		switch class(err) {
		case "28": // the password, or pg_hba.conf
			if code(err) == "28P01" && config.ConnConfig.Password == "" {
				return nil, fmt.Errorf("%w: it wants a password, and there is none: put it into PGPASSWORD, or a file that PGPASSFILE names: %w", ErrUnsuitable, said(err))
			}
			return nil, fmt.Errorf("%w: it does not let this user in: %w", ErrUnsuitable, said(err))
		case "08":
			if strings.Contains(err.Error(), "unsupported startup parameter") {
				return nil, fmt.Errorf("%w: a pooler stands before it that takes no settings; connect to PostgreSQL itself, or let the pooler pass them by "+
					"(PgBouncer: ignore_startup_parameters) and set them for the user: %w", ErrUnsuitable, said(err))
			}
		case "3D":
			return nil, fmt.Errorf("%w: there is no such database; make it (createdb): %w", ErrUnsuitable, said(err))
		}
		if !told {
			told = true
			log.Warn("the database does not answer yet: waiting for it", "why", said(err))
		}
		next := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			next.Stop()
			return nil, unavailable(err)
		case <-next.C:
		}
	}
}

// direct refuses a pooler that gives each transaction a session of its own: what is
// prepared, listened for, or locked on one would be of another.
func direct(ctx context.Context, config *pgxpool.Config, c *pgx.Conn) error {
	const simply = pgx.QueryExecModeExec // nothing is prepared
	word := rand.Text()
	var pid uint32
	if err := c.QueryRow(ctx, "SELECT pg_backend_pid(), set_config('halberd.session', $1, false)", simply, word).Scan(&pid, nil); err != nil {
		return unavailable(err)
	}
	if pid == c.PgConn().PID() {
		return nil // a pooler tells a number of its own
	}
	for range 5 { // others may ask it meanwhile
		other, err := pgx.ConnectConfig(ctx, config.ConnConfig)
		if err != nil {
			return unavailable(err)
		}
		var theirs string
		err = other.QueryRow(ctx, "SELECT coalesce(current_setting('halberd.session', true), '')", simply).Scan(&theirs)
		_ = other.Close(ctx)
		if err != nil {
			return unavailable(err)
		}
		if theirs == word {
			return fmt.Errorf("%w: a pooler in transaction mode stands before it; connect to PostgreSQL itself, or to a pooler in session mode", ErrUnsuitable)
		}
	}
	return nil
}

// suits refuses a server that is too old or keeps texts in another encoding.
func suits(ctx context.Context, c *pgx.Conn) error {
	var version int
	var encoding string
	if err := c.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&version, &encoding); err != nil {
		return unavailable(err)
	}
	switch {
	case version < 140000:
		return fmt.Errorf("%w: it is PostgreSQL %d, and 14 or later is needed", ErrUnsuitable, version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("%w: its encoding is %s, and UTF8 is needed (createdb --encoding=UTF8 --template=template0)", ErrUnsuitable, encoding)
	}
	return nil
}

// migrate applies the steps that are missing, each whole or not at all. A schema
// that is ahead is left alone: ErrNewer.
func migrate(ctx context.Context, config *pgxpool.Config, look bool) (err error) {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	own := config.ConnConfig.Copy()
	own.RuntimeParams["statement_timeout"], own.RuntimeParams["lock_timeout"] = "0", "0" // ctx bounds it
	db := stdlib.OpenDB(*own)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, steps,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	known := provider.ListSources()
	newest := known[len(known)-1].Version
	if look { // goose makes its table when it is asked
		var there bool
		if err := db.QueryRowContext(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL").Scan(&there); err != nil {
			return unavailable(err)
		}
		if !there {
			return fmt.Errorf("%w: there is nothing of Halberd in it; start the server once", ErrUnsuitable)
		}
	}
	at, err := provider.GetDBVersion(ctx)
	if code(err) == notPermitted {
		return errNoTables
	}
	if err != nil {
		return fmt.Errorf("reading the schema's version: %w", unavailable(err))
	}
	if at > newest {
		return fmt.Errorf("it has schema %d and this version knows %d: %w; use that version", at, newest, ErrNewer)
	}
	if look && at < newest {
		return fmt.Errorf("%w: it has schema %d and this version's is %d; start the server once", ErrUnsuitable, at, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		if code(err) == notPermitted {
			return errNoTables
		}
		return fmt.Errorf("bringing the schema to version %d: %w", newest, err)
	}
	return nil
}
