package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/halberdhq/halberd"
)

// The files of the data folder that this package reads or writes itself. The
// others are the engine's (package sqlite).
const (
	databaseFile = "halberd.db"
	usageFile    = "usage.db"
	jobsFile     = "jobs.db"
	pepperFile   = "pepper"
	journalFile  = "revoked.log"
	lockFile     = "lock"
	adminKeyFile = "admin.key"
	socketFile   = "private.sock"
)

// keepAdminKey writes admin.key: whole or not at all, for its owner only, and
// on the disk before it returns.
func keepAdminKey(dir string) func(halberd.Secret) error {
	return func(s halberd.Secret) error {
		err := writeWhole(filepath.Join(dir, adminKeyFile), func(f *os.File) error {
			_, err := f.WriteString(s.Reveal() + "\n")
			return err
		})
		if err != nil {
			return fmt.Errorf("keeping the admin key: %w", err)
		}
		return nil
	}
}

// writeWhole makes or replaces a file of mode 0600. Under its own name it is
// complete and on the disk, or it is as it was.
func writeWhole(path string, fill func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*.tmp") // of mode 0600
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("no file can be made in %s: %w", dir, cause.Err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(dir)
}

// syncFolder puts the names in a folder on the disk.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// there reports whether a file is there; what cannot be looked at counts as
// there.
func there(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// quantity is a number and its noun.
func quantity[N int | int64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
