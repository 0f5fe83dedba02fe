// Package keeper is the folder of a process, and what halberd.Keeper keeps in it
// whatever the database is: the pepper and the journal of revocations, which must
// stay out of every database and every backup of one.
package keeper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/halberdhq/halberd"
)

// What a folder may be refused for, besides what the system says.
var (
	// ErrInUse says that another process, or another Store, holds the folder.
	ErrInUse = errors.New("another hb serve runs here")
	// ErrDamaged says that files are missing, cut short or unreadable. Nothing
	// was made anew in their place.
	ErrDamaged = errors.New("the folder is damaged")
)

// The files of a folder that every engine has.
const (
	LockName   = "lock"
	PepperName = "pepper"
	TombsName  = "revoked.log"
	AdminName  = "admin.key" // written by the server at its first start
)

// Folder is a data folder, held by its lock.
type Folder struct {
	Path string
	lock *os.File // also keeps, unsynced, the newest revision seen: see Mark
}

// Keeper keeps the pepper and the journal of a folder.
type Keeper struct {
	folder *Folder
	pepper sync.Mutex // held while the pepper file is read or made
	tombs  *journal
}

// Open makes the folder if it is not there, and locks it.
func Open(path string) (*Folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, LockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(lock); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Folder{Path: path, lock: lock}, nil
}

// File is the path of a file of the folder.
func (f *Folder) File(name string) string { return filepath.Join(f.Path, name) }

// Has reports whether the folder has something of this name.
func (f *Folder) Has(name string) (bool, error) {
	_, err := os.Lstat(f.File(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Close lets go of the folder.
func (f *Folder) Close() error { return f.lock.Close() }

// Mark notes the newest revision. It costs no sync: after a loss of power it
// may be behind the database, but it is never ahead of it.
func (f *Folder) Mark(revision int64) error {
	_, err := f.lock.WriteAt(fmt.Appendf(nil, "revision %-20d\n", revision), 0)
	return err
}

// Marked is the revision last noted, 0 for none.
func (f *Folder) Marked() int64 {
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

// Keep opens the journal of the folder.
func (f *Folder) Keep(log *slog.Logger) (*Keeper, error) {
	tombs, err := openJournal(f, log)
	if err != nil {
		return nil, err
	}
	return &Keeper{folder: f, tombs: tombs}, nil
}

// Close closes the journal; the folder stays.
func (k *Keeper) Close() error { return k.tombs.close() }

// Check says what is wrong with the pepper, the journal and who may read the
// files of these names, a sentence each.
func (k *Keeper) Check(found func(format string, args ...any), names ...string) {
	if _, err := readPepper(k.folder.File(PepperName)); err != nil {
		found("%v", err)
	}
	if damaged, err := k.Tombstones(func(halberd.Tombstone) error { return nil }); err != nil {
		found("%v", err)
	} else if damaged > 0 {
		found("%s has %d lines that cannot be read", TombsName, damaged)
	}
	for _, name := range append([]string{".", PepperName, TombsName, AdminName}, names...) {
		info, err := os.Stat(k.folder.File(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			found("%v", err)
		case info.Mode().Perm()&0o077 != 0:
			found("%s may be used by others than its owner (mode %04o): chmod go= it", k.folder.File(name), info.Mode().Perm())
		}
	}
}

// WriteNew makes a file that was not there, for the owner only, on the disk.
func WriteNew(path string, content []byte) error {
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

// SyncFolder puts the names of a folder on the disk.
func SyncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
