package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// folder is the data folder, held by its lock.
type folder struct {
	path string
	lock *os.File // also keeps, unsynced, the newest revision seen: see mark
}

// The files of the folder. usage may be lost without loss of a promise, the
// others may not.
const (
	lockName   = "lock"
	keysName   = "halberd.db"
	usageName  = "usage.db"
	pepperName = "pepper"
	tombsName  = "revoked.log"
	adminName  = "admin.key" // written by the server at its first start
)

// openFolder makes the folder if it is not there, and locks it.
func openFolder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(lock); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &folder{path: path, lock: lock}, nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) has(name string) (bool, error) {
	_, err := os.Lstat(f.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (f *folder) close() error { return f.lock.Close() }

// mark notes the newest revision. It costs no sync: after a loss of power it
// may be behind the database, but it is never ahead of it.
func (f *folder) mark(revision int64) error {
	_, err := f.lock.WriteAt(fmt.Appendf(nil, "revision %-20d\n", revision), 0)
	return err
}

// marked is the revision last noted, 0 for none.
func (f *folder) marked() int64 {
	text, err := io.ReadAll(io.NewSectionReader(f.lock, 0, 64))
	if err != nil {
		return 0
	}
	digits, found := strings.CutPrefix(string(text), "revision ")
	if !found {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// prepare sees that both databases are there with the schema of this version.
// They are made only where nothing says that they were there before.
func (f *folder) prepare(ctx context.Context) error {
	there, err := f.has(keysName)
	if err != nil {
		return err
	}
	if !there {
		for _, name := range []string{keysName + "-wal", usageName, pepperName, tombsName, adminName} {
			if left, err := f.has(name); err != nil || left {
				return errors.Join(err, fmt.Errorf("%s: %s is missing although %s is there: %w; put it back, or restore a backup", f.path, keysName, name, ErrDamaged))
			}
		}
		if err := f.create(ctx, keysName, "keys"); err != nil {
			return err
		}
	}
	if err := f.looksLikeDatabase(keysName); err != nil {
		return fmt.Errorf("%w; restore a backup", err)
	}
	if err := migrate(ctx, f.file(keysName), "keys"); err != nil {
		return damage(fmt.Errorf("%s: %w", f.file(keysName), err))
	}

	there, err = f.has(usageName)
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
	if err := migrate(ctx, f.file(usageName), "usage"); err != nil {
		return damage(fmt.Errorf("%s: %w; if it is damaged, %s", f.file(usageName), err, remedy))
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
	path, final := f.file(name+".new"), f.file(name)
	for _, left := range []string{path, path + "-wal", path + "-shm", path + "-journal", final + "-wal", final + "-shm"} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := writeNew(path, nil); err != nil {
		return err
	}
	if err := migrate(ctx, path, set); err != nil {
		return err
	}
	if err := os.Rename(path, final); err != nil {
		return err
	}
	return syncFolder(f.path)
}

// looksLikeDatabase refuses what SQLite would take for a new, empty file.
func (f *folder) looksLikeDatabase(name string) error {
	const magic = "SQLite format 3\x00"
	file, err := os.Open(f.file(name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	head := make([]byte, 100)
	if n, err := io.ReadFull(file, head); err != nil {
		return fmt.Errorf("%s holds %d bytes, which is no database: %w", f.file(name), n, ErrDamaged)
	}
	if string(head[:len(magic)]) != magic {
		return fmt.Errorf("%s does not begin as a database: %w", f.file(name), ErrDamaged)
	}
	return nil
}

// writeNew makes a file that was not there, for the owner only, on the disk.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFolder puts the names of a folder on the disk.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
