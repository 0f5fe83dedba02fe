package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/halberdhq/halberd/storage/internal/keeper"
)

// folder is the data folder, with the databases in it.
type folder struct{ *keeper.Folder }

// The files of the folder. usage may be lost without loss of a promise, the
// others may not.
const (
	keysName   = "halberd.db"
	usageName  = "usage.db"
	pepperName = keeper.PepperName
	tombsName  = keeper.TombsName
	adminName  = keeper.AdminName
)

// prepare sees that both databases are there with the schema of this version.
// They are made only where nothing says that they were there before.
func (f *folder) prepare(ctx context.Context) error {
	there, err := f.Has(keysName)
	if err != nil {
		return err
	}
	if !there {
		for _, name := range []string{keysName + "-wal", usageName, pepperName, tombsName, adminName} {
			if left, err := f.Has(name); err != nil || left {
				return errors.Join(err, fmt.Errorf("%s: %s is missing although %s is there: %w; put it back, or restore a backup", f.Path, keysName, name, ErrDamaged))
			}
		}
		if err := f.create(ctx, keysName, "keys"); err != nil {
			return err
		}
	}
	if err := f.looksLikeDatabase(keysName); err != nil {
		return fmt.Errorf("%w; restore a backup", err)
	}
	if err := migrate(ctx, f.File(keysName), "keys"); err != nil {
		return damage(fmt.Errorf("%s: %w", f.File(keysName), err))
	}

	there, err = f.Has(usageName)
	if err != nil {
		return err
	}
	if !there {
		if err := f.create(ctx, usageName, "usage"); err != nil {
			return err
		}
	}
	const remedy = "move it away and start again: only counts and last-used times are lost"
	if err := f.looksLikeDatabase(usageName); err != nil {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	if err := migrate(ctx, f.File(usageName), "usage"); err != nil {
		return damage(fmt.Errorf("%s: %w; if it is damaged, %s", f.File(usageName), err, remedy))
	}
	return nil
}

// damage adds ErrDamaged to an error of SQLite's that means it.
func damage(err error) error {
	if broken(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// create makes a database under another name and moves it to its place when it
// is complete and on the disk, so that a first start that is cut short leaves
// nothing that looks like an emptied database.
func (f *folder) create(ctx context.Context, name, set string) error {
	path, final := f.File(name+".new"), f.File(name)
	for _, left := range []string{path, path + "-wal", path + "-shm", path + "-journal", final + "-wal", final + "-shm"} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := keeper.WriteNew(path, nil); err != nil {
		return err
	}
	if err := migrate(ctx, path, set); err != nil {
		return err
	}
	if err := os.Rename(path, final); err != nil {
		return err
	}
	return keeper.SyncFolder(f.Path)
}

// looksLikeDatabase refuses what SQLite would take for a new, empty file.
func (f *folder) looksLikeDatabase(name string) error {
	const magic = "SQLite format 3\x00"
	file, err := os.Open(f.File(name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	head := make([]byte, 100)
	if n, err := io.ReadFull(file, head); err != nil {
		return fmt.Errorf("%s holds %d bytes, which is no database: %w", f.File(name), n, ErrDamaged)
	}
	if string(head[:len(magic)]) != magic {
		return fmt.Errorf("%s does not begin as a database: %w", f.File(name), ErrDamaged)
	}
	return nil
}
