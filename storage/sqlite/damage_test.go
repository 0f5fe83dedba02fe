package sqlite_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

const damagedKeys = 400

// pristine is a folder of damagedKeys keys. unclean leaves it as a kill does:
// with everything in the write-ahead logs.
func pristine(t *testing.T, unclean bool) string {
	t.Helper()
	dir, copied := t.TempDir(), t.TempDir()
	s := open(t, dir)
	for n := range damagedKeys {
		insert(t, s, n)
	}
	if !unclean {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	copyFolder(t, dir, copied)
	if unclean {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// afterwards opens a damaged folder and says what came of it: refused by Open
// or Load, or how many keys there are, and whether a warning was given.
func afterwards(t *testing.T, dir string) (keys int, warned bool, refused error) {
	t.Helper()
	var log bytes.Buffer
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		return 0, false, err
	}
	defer s.Close()
	err = s.Load(t.Context(), 2, 0, func(batch []halberd.KeyRecord) error {
		keys += len(batch)
		return nil
	})
	return keys, strings.Contains(log.String(), "older than what this folder has held"), err
}

func TestDamageNeverLooksLikeAnEmptyStore(t *testing.T) {
	clean, unclean := pristine(t, false), pristine(t, true)
	random := rand.New(rand.NewPCG(3, 4))
	flip := func(name string) func(string) {
		return func(dir string) {
			edit(t, filepath.Join(dir, name), func(b []byte) []byte {
				for range 1 + random.IntN(8) {
					b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
				}
				return b
			})
		}
	}
	cut := func(name string) func(string) {
		return func(dir string) {
			edit(t, filepath.Join(dir, name), func(b []byte) []byte { return b[:random.IntN(len(b))] })
		}
	}
	remove := func(names ...string) func(string) {
		return func(dir string) {
			for _, name := range names {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range []struct {
		name   string
		from   string
		times  int
		damage func(dir string)
	}{
		{"nothing", clean, 1, func(string) {}},
		{"nothing, after a kill", unclean, 1, func(string) {}},
		{"bytes of the database", clean, rounds(60), flip("halberd.db")},
		{"database cut short", clean, rounds(20), cut("halberd.db")},
		{"bytes of the log", unclean, rounds(30), flip("halberd.db-wal")},
		{"log cut short", unclean, rounds(10), cut("halberd.db-wal")},
		{"bytes of the index of the log", unclean, rounds(10), flip("halberd.db-shm")},
		{"log deleted", unclean, 1, remove("halberd.db-wal")},
		{"log and its index deleted", unclean, 1, remove("halberd.db-wal", "halberd.db-shm")},
		{"database deleted", unclean, 1, remove("halberd.db")},
		{"usage and its log deleted", unclean, 1, remove("usage.db", "usage.db-wal", "usage.db-shm")},
		{"usage deleted", unclean, 1, remove("usage.db")},
	} {
		t.Run(c.name, func(t *testing.T) {
			refusals := 0
			for range c.times {
				dir := t.TempDir()
				copyFolder(t, c.from, dir)
				c.damage(dir)
				keys, warned, refused := afterwards(t, dir)
				switch {
				case refused != nil:
					refusals++
					if strings.HasPrefix(c.name, "nothing") || strings.HasPrefix(c.name, "usage") {
						t.Errorf("refused: %v", refused)
					}
				case keys == 0, keys < damagedKeys && !warned:
					t.Errorf("%d keys of %d, warned: %v", keys, damagedKeys, warned)
				}
			}
			t.Logf("%d of %d refused", refusals, c.times)
		})
	}
}

func TestADeletedLogThatHeldEverythingIsRefused(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	s := open(t, dir)
	insert(t, s, 1, 2, 3)
	copyFolder(t, dir, copied)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(copied, "halberd.db-wal")); err != nil {
		t.Fatal(err)
	}
	refuse(t, copied, sqlite.ErrDamaged, "halberd.db-wal")
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestARestoredBackupIsTakenAndSaidAloud(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	insert(t, s, 1, 2, 3)
	var backup bytes.Buffer
	if err := s.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	insert(t, s, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "halberd.db"), backup.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, warned, refused := afterwards(t, dir)
	if refused != nil || keys != 3 || !warned {
		t.Errorf("%d keys, %v, warned: %v", keys, refused, warned)
	}
}

func TestIntegrityFindsWhatIsWrong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	insert(t, s, 1, 2, 3)
	pepper := bytes.Repeat([]byte("0123456789abcdef"), 2)
	if _, err := s.Pepper(t.Context(), pepper); err != nil {
		t.Fatal(err)
	}
	if findings, err := s.Integrity(t.Context()); err != nil || len(findings) != 0 {
		t.Errorf("of a sound store: %q, %v", findings, err)
	}
	if err := os.Chmod(filepath.Join(dir, "pepper"), 0o644); err != nil {
		t.Fatal(err)
	}
	if findings, err := s.Integrity(t.Context()); err != nil || len(findings) != 1 || !strings.Contains(findings[0], "pepper") {
		t.Errorf("of an open pepper: %q, %v", findings, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
