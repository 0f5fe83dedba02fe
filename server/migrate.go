package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/storage/postgres"
	"github.com/halberdhq/halberd/storage/sqlite"
)

func (o Options) migrateStore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate-store --to postgres://…",
		Short: "Move a SQLite database to an empty PostgreSQL",
		Long: `Move a SQLite database to an empty PostgreSQL. The server must be stopped.

Everything is copied in one transaction: keys, projects, organizations, members,
the audit log, events, usage, quotas. The pepper and revoked.log stay in the
folder, so keys are good, or refused, as before. When all is there, the SQLite
files get other names: no server starts on them by mistake.

The password comes from PGPASSWORD, PGPASSFILE or HALBERD_DATABASE.`,
		Example: `  hb migrate-store --data /var/lib/halberd --to postgres://halberd@db.internal/halberd`,
	}
	read := o.settings(cmd, "data")
	to := cmd.Flags().String("to", "", "the PostgreSQL to fill (default: what HALBERD_DATABASE says)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := read().load()
		if err != nil {
			return misused(err)
		}
		if *to != "" {
			c.Database = *to
			if err := c.hidePassword(false); err != nil {
				return misused(fmt.Errorf("--to: %w", err))
			}
		}
		if !c.shared() {
			return misused(errors.New("name the PostgreSQL to fill with --to postgres://…"))
		}
		harden()
		return migrateStore(cmd.Context(), c, time.Now(), cmd.ErrOrStderr())
	}
	return cmd
}

func migrateStore(ctx context.Context, c Config, now time.Time, words io.Writer) (err error) {
	if err := mustHoldData(c.Data); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	from, err := sqlite.Open(ctx, c.Data, sqlite.Options{Log: quiet})
	if inUse(err) {
		return fmt.Errorf("%w: stop it first", err)
	}
	if err != nil {
		return err
	}
	rows, err := fill(ctx, from, c, quiet)
	if err := errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("nothing was moved: %w", err)
	}
	former, err := setAside(c.Data, now)
	if err != nil {
		return fmt.Errorf("everything is in the PostgreSQL, but the SQLite files could not be given other names: move %s away yourself: %w", filepath.Join(c.Data, databaseFile), err)
	}
	for _, table := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(words, "%-16s %s\n", table, quantity(rows[table], "row"))
	}
	fmt.Fprintf(words, "The former database is in %s; delete it when the new one has proved good.\n"+
		"Start the server with --database. Copy %s to every further node before its first start.\n", former, filepath.Join(c.Data, pepperFile))
	return nil
}

// fill copies the tables. The folder is held by from, so the target gets another
// for the time; nothing stays in it.
func fill(ctx context.Context, from *sqlite.Store, c Config, log *slog.Logger) (_ map[string]int64, err error) {
	dir, err := os.MkdirTemp("", "halberd-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	target, err := postgres.Open(ctx, c.Database, dir, postgres.Options{
		Log: log, Password: c.databasePassword,
		StartTimeout: 5 * time.Second, // somebody stands there and waits
	})
	if err != nil {
		return nil, refused(err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return target.Fill(ctx, func(row func(table string, columns []string, row []any) error) error {
		return from.Tables(ctx, row)
	})
}

// migrated parts a file's name from the time when it was moved to PostgreSQL.
const migrated = ".migrated-"

// setAsideIn is the name of the newest database in dir that was moved, where none
// took its place; else "".
func setAsideIn(dir string) string {
	former, err := filepath.Glob(filepath.Join(dir, databaseFile+migrated+"*"))
	if err != nil || len(former) == 0 || there(filepath.Join(dir, databaseFile)) {
		return ""
	}
	return slices.Max(former)
}

// setAside gives the files of the SQLite engine names under which no server
// finds them. It returns the new name of the database.
func setAside(dir string, now time.Time) (former string, err error) {
	suffix := migrated + now.UTC().Format("20060102T150405.000Z")
	for _, name := range []string{databaseFile, databaseFile + "-wal", databaseFile + "-shm", usageFile, usageFile + "-wal", usageFile + "-shm"} {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return filepath.Join(dir, databaseFile+suffix), syncFolder(dir)
}
