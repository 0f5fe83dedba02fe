package sqlite

import (
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/internal/keeper"
)

// What Open may refuse a folder for, besides what the system says.
var (
	// ErrInUse says that another process, or another Store, holds the folder.
	ErrInUse = keeper.ErrInUse
	// ErrDamaged says that files are missing, cut short or unreadable. Nothing
	// was made anew in their place.
	ErrDamaged = keeper.ErrDamaged
	// ErrNewer says that a newer version of Halberd has used the folder.
	ErrNewer = errors.New("the folder was used by a newer version of Halberd")
)

// code is SQLite's extended result code in err, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// refusal is what a failed write of one row means: a taken value, a row that
// may not be so, or (fatal) a database that does not work.
func refusal(err error) (answer error, fatal bool) {
	switch c := code(err); {
	case c == sqlite3.SQLITE_CONSTRAINT_UNIQUE, c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, c == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
		return halberd.ErrConflict, false
	case c&0xff == sqlite3.SQLITE_CONSTRAINT:
		return fmt.Errorf("sqlite: a row that may not be so: %w", err), false
	}
	return unavailable(err), true
}

// unavailable is the answer when the disk, or what is on it, fails.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	message := "the database does not answer"
	switch code(err) & 0xff {
	case sqlite3.SQLITE_FULL:
		message = "the disk is full: nothing was changed"
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		message = "the disk does not take what is written to it: nothing was changed"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		message = "the database is damaged"
	}
	switch {
	case errors.Is(err, errUnsynced):
		message = "the disk has failed to keep what was written: nothing is changed until the server is restarted"
	case unsynced(err):
		message = "the disk has failed to keep what was written: whether this was changed is known when the server is restarted"
	}
	return &halberd.Error{
		Code: halberd.CodeUnavailable, Message: message, RetryAfter: time.Second,
		Err: fmt.Errorf("sqlite: %w", err),
	}
}

// unsynced reports whether a sync failed, after which nobody knows what is on
// the disk.
func unsynced(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_IOERR_FSYNC || c == sqlite3.SQLITE_IOERR_DIR_FSYNC
}

// broken reports whether err says that the file itself is not what it was.
func broken(err error) bool {
	c := code(err) & 0xff
	return c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB
}
