package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a copy of halberd.db to w: one consistent state, whole and
// compact, while changes go on. The copy is a database by itself. The pepper
// is not in it, and without the pepper it is of no use: keep both, apart.
func (s *Store) Backup(ctx context.Context, w io.Writer) (err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	copied, err := os.CreateTemp(s.folder.Path, "backup-*.tmp")
	if err != nil {
		return fmt.Errorf("making a backup: %w", err)
	}
	defer func() {
		err = errors.Join(err, copied.Close(), os.Remove(copied.Name()))
	}()
	c, err := connect(ctx, s.folder.File(keysName))
	if err != nil {
		return unavailable(err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.exec("VACUUM INTO ?", copied.Name()); err != nil {
		return unavailable(err)
	}
	if _, err := io.Copy(w, copied); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

// removeBackups clears away what a Backup left that was cut short.
func (f *folder) removeBackups() error {
	left, err := filepath.Glob(filepath.Join(escapeGlob(f.Path), "backup-*.tmp"))
	for _, path := range left {
		if e := os.Remove(path); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// escapeGlob makes a folder's name stand for itself in a pattern.
func escapeGlob(path string) string {
	var out []rune
	for _, r := range path {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
