package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the schema of a file to what this version knows, one numbered
// step after the other, each whole or not at all. set is the folder of its
// steps. A schema that is ahead is left alone: ErrNewer.
func migrate(ctx context.Context, path, set string) (err error) {
	steps, err := fs.Sub(migrations, "migrations/"+set)
	if err != nil {
		return err
	}
	connector, err := sqlite.NewConnector(fileURI(path, "rw") + "&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, steps,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	known := provider.ListSources()
	newest := known[len(known)-1].Version
	at, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if at > newest {
		return fmt.Errorf("%s has schema %d and this version knows %d: %w; use that version, or a backup from before it", path, at, newest, ErrNewer)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bringing the schema to version %d: %w", newest, err)
	}
	return nil
}
