package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // the driver of that name

	"github.com/halberdhq/halberd"
)

// schema is where PostgreSQL keeps the jobs, apart from the keys.
const schema = "halberd_jobs"

// queue is what a river client does, whatever its database.
type queue interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	InsertMany(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
}

// Database is where jobs are kept. Make one with SQLite or PostgreSQL.
type Database struct {
	open func(ctx context.Context, log *slog.Logger) (*opened, error)
}

// opened is a database that is ready.
type opened struct {
	client func(*river.Config) (queue, error)
	count  func(ctx context.Context) (map[tally]int64, error)
	close  func() error
}

// tally says which jobs are counted together.
type tally struct{ kind, state string }

const countJobs = `SELECT kind, CAST(state AS TEXT), count(*) FROM %sriver_job WHERE state NOT IN ('completed', 'cancelled') GROUP BY kind, state`

// SQLite keeps jobs in a file, made when it is not there, for one process alone.
// What a process that died was working on is ready again at once.
func SQLite(path string) Database {
	return Database{open: func(ctx context.Context, log *slog.Logger) (*opened, error) {
		q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1) // river writes from many goroutines, and SQLite takes one
		d := riversqlite.New(db)
		if err := migrate(ctx, d, "", log); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
		}
		if _, err := db.ExecContext(ctx, `UPDATE river_job SET state = 'available', attempt = max(attempt - 1, 0) WHERE state = 'running'`); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
		}
		// Nobody else leads: the one who died need not be waited for.
		if _, err := db.ExecContext(ctx, `DELETE FROM river_leader`); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
		}
		return &opened{
			client: func(c *river.Config) (queue, error) { return river.NewClient[*sql.Tx](d, c) },
			count: func(ctx context.Context) (map[tally]int64, error) {
				rows, err := db.QueryContext(ctx, fmt.Sprintf(countJobs, ""))
				if err != nil {
					return nil, err
				}
				defer rows.Close()
				all := map[tally]int64{}
				for rows.Next() {
					var t tally
					var n int64
					if err := rows.Scan(&t.kind, &t.state, &n); err != nil {
						return nil, err
					}
					all[t] = n
				}
				return all, rows.Err()
			},
			close: db.Close,
		}, nil
	}}
}

// PostgreSQL keeps jobs in a schema of their own of the database at an address,
// for every node that uses it. A password outweighs the address's.
func PostgreSQL(address string, password halberd.Secret) Database {
	return Database{open: func(ctx context.Context, log *slog.Logger) (*opened, error) {
		c, err := sessions(address)
		if err != nil {
			return nil, err
		}
		if p := password.Reveal(); p != "" {
			c.ConnConfig.Password = p
		}
		pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), c)
		if err != nil {
			return nil, err
		}
		d := riverpgxv5.New(pool)
		if err := migrateShared(ctx, pool, d, log); err != nil {
			pool.Close()
			return nil, err
		}
		return &opened{
			client: func(c *river.Config) (queue, error) {
				c.Schema = schema
				return river.NewClient[pgx.Tx](d, c)
			},
			count: func(ctx context.Context) (map[tally]int64, error) {
				rows, err := pool.Query(ctx, fmt.Sprintf(countJobs, schema+"."))
				if err != nil {
					return nil, err
				}
				defer rows.Close()
				all := map[tally]int64{}
				for rows.Next() {
					var t tally
					var n int64
					if err := rows.Scan(&t.kind, &t.state, &n); err != nil {
						return nil, err
					}
					all[t] = n
				}
				return all, rows.Err()
			},
			close: func() error { pool.Close(); return nil },
		}, nil
	}}
}

// The bounds of what waits for a PostgreSQL.
const (
	sharedConnections = 4 // one of them listens
	connectTime       = 2 * time.Second
	statementTime     = 30 * time.Second // the wait for another node that makes the tables, too
)

// sessions is how a PostgreSQL is spoken with: what the keys' engine sets for
// itself as well.
func sessions(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New("the address of the database cannot be read") // pgx's own words may hold the password
	}
	config.MaxConns = sharedConnections
	config.MaxConnLifetimeJitter = time.Minute
	c := config.ConnConfig
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = connectTime
	}
	c.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{ // a peer that is gone without a word
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}).DialContext
	if c.ValidateConnect == nil { // of several hosts, the one that takes changes
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	for name, value := range map[string]string{
		"application_name":                    "halberd jobs",
		"statement_timeout":                   strconv.FormatInt(statementTime.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": strconv.FormatInt(statementTime.Milliseconds(), 10),
	} {
		if c.RuntimeParams[name] == "" {
			c.RuntimeParams[name] = value
		}
	}
	return config, nil
}

// migrateShared makes the schema and its tables, one node at a time.
func migrateShared(ctx context.Context, pool *pgxpool.Pool, d *riverpgxv5.Driver, log *slog.Logger) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	const lock = 0x68_62_6a_6f_62_73 // hbjobs
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, lock); err != nil {
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "57014" {
			return errors.New("another node makes the tables of the jobs, and has not finished in time: start again when it has")
		}
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lock) }()
	var there bool // who did not make it may not be allowed to
	if err := conn.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, schema).Scan(&there); err != nil {
		return err
	}
	if !there {
		_, err := conn.Exec(ctx, `CREATE SCHEMA `+schema)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42501" {
			return fmt.Errorf("the user may not make the schema %s: GRANT CREATE ON DATABASE, or own the database: %w", schema, err)
		}
		if err != nil {
			return err
		}
	}
	return migrate(ctx, d, schema, log)
}

func migrate[TTx any](ctx context.Context, d riverdriver.Driver[TTx], schema string, log *slog.Logger) error {
	m, err := rivermigrate.New(d, &rivermigrate.Config{Schema: schema, Logger: log})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("the tables of the jobs: %w", err)
	}
	return nil
}
