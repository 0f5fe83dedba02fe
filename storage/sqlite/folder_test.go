package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

func refuse(t *testing.T, dir string, want error, words ...string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("Open: %v, want %v", err, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("Open: %q does not say %q", err, w)
		}
	}
}

func TestASecondOpenIsRefusedAndNamesTheFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	refuse(t, dir, sqlite.ErrInUse, dir, "another hb serve runs here")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	if dir := os.Getenv("HALBERD_TEST_OPEN"); dir != "" {
		_, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		t.Log(err)
		return
	}
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestASecondProcessIsRefused$", "-test.v")
	child.Env = append(os.Environ(), "HALBERD_TEST_OPEN="+dir)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), dir+": another hb serve runs here") {
		t.Errorf("child: %v\n%s", err, out)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new folder's name?#%")
	s := open(t, dir)
	defer s.Close()
	if _, err := s.Pepper(t.Context(), bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	insert(t, s, 1)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
	want := "halberd.db halberd.db-shm halberd.db-wal lock pepper revoked.log usage.db usage.db-shm usage.db-wal"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("files: %s\nwant:  %s", got, want)
	}
}

func TestNoDatabaseIsMadeWhereOneWas(t *testing.T) {
	for _, left := range []string{"pepper", "revoked.log", "admin.key", "usage.db", "halberd.db-wal"} {
		t.Run(left, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, left), []byte("left"), 0o600); err != nil {
				t.Fatal(err)
			}
			refuse(t, dir, sqlite.ErrDamaged, "halberd.db is missing", left)
		})
	}
}

func TestAnEmptyOrForeignDatabaseIsRefused(t *testing.T) {
	for _, name := range []string{"halberd.db", "usage.db"} {
		for kind, content := range map[string][]byte{
			"zero-length": nil, "short": []byte("SQLite format 3\x00"), "foreign": bytes.Repeat([]byte("text"), 2000),
			"magic only": append([]byte("SQLite format 3\x00"), make([]byte, 8000)...),
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				dir := t.TempDir()
				if err := open(t, dir).Close(); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
				refuse(t, dir, sqlite.ErrDamaged, name)
				if now, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(now, content) {
					t.Errorf("a refused file was changed: %d bytes, %v", len(now), err)
				}
			})
		}
	}
}

func TestAFirstStartThatWasCutShortIsBegunAgain(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "halberd.db.new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMissingUsageIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	insert(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "usage.db")); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	if got := load(t, s); len(got) != 1 {
		t.Errorf("%d keys", len(got))
	}
}

func TestEverythingIsThereAfterReopening(t *testing.T) {
	dir := t.TempDir()
	pepper := bytes.Repeat([]byte("0123456789abcdef"), 4)
	for round := range 3 {
		s := open(t, dir)
		if got, err := s.Pepper(t.Context(), pepper); err != nil || !bytes.Equal(got, pepper) {
			t.Fatalf("pepper: %x, %v", got, err)
		}
		if got := load(t, s); len(got) != round*5 {
			t.Errorf("round %d: %d keys", round, len(got))
		}
		insert(t, s, 100*round, 100*round+1, 100*round+2, 100*round+3, 100*round+4)
		if err := s.Entomb(t.Context(), []halberd.Tombstone{{Key: halberd.KeyID{1: byte(round + 1)}, At: 7}}); err != nil {
			t.Fatal(err)
		}
		if n, damaged := tombstones(t, s); n != round+1 || damaged != 0 {
			t.Errorf("round %d: %d tombstones, %d damaged", round, n, damaged)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATornTombstoneIsCountedAndSpoilsNoOther(t *testing.T) {
	dir := t.TempDir()
	entomb := func(n byte) {
		s := open(t, dir)
		defer s.Close()
		if err := s.Entomb(t.Context(), []halberd.Tombstone{{Key: halberd.KeyID{1: n}, At: int64(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "revoked.log")
	entomb(1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entomb(2)
	if err := os.Truncate(path, int64(len(whole)+40)); err != nil {
		t.Fatal(err)
	}
	entomb(3)
	s := open(t, dir)
	defer s.Close()
	if n, damaged := tombstones(t, s); n != 2 || damaged != 1 {
		t.Errorf("%d tombstones, %d damaged, want 2 and 1", n, damaged)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "key_") || !strings.Contains(string(text), " 1970-01-01T00:00:01Z ") {
		t.Errorf("revoked.log: %v\n%s", err, text)
	}
	if err := os.WriteFile(path, append(text, strings.Repeat("x", 100_000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, damaged := tombstones(t, s); n != 2 || damaged != 2 {
		t.Errorf("%d tombstones, %d damaged, want 2 and 2", n, damaged)
	}
}

func TestADamagedPepperIsNoMissingPepper(t *testing.T) {
	for _, text := range []string{"", "zz", "00112233\n", strings.Repeat("0", 63) + "\n", strings.Repeat("0", 64) + "\n\n"} {
		dir := t.TempDir()
		s := open(t, dir)
		if err := os.WriteFile(filepath.Join(dir, "pepper"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Pepper(t.Context(), bytes.Repeat([]byte{7}, 32)); !errors.Is(err, sqlite.ErrDamaged) {
			t.Errorf("pepper %q: %x, %v", text, got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseLeavesNoGoroutines(t *testing.T) {
	s := open(t, t.TempDir())
	insert(t, s, 1)
	load(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		runtime.Gosched() // what has ended may still be on its way out
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if (strings.Contains(stack, "storage/sqlite.") || strings.Contains(stack, "modernc.org")) && !strings.Contains(stack, "testing.tRunner") {
			t.Errorf("still there:\n%s", stack)
		}
	}
}

func insert(t testing.TB, s *sqlite.Store, ns ...int) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx halberd.Tx) error {
		for _, n := range ns {
			if err := tx.InsertKey(benchKey(n)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, s *sqlite.Store) (all []halberd.KeyRecord) {
	t.Helper()
	if err := s.Load(t.Context(), 1, 0, func(batch []halberd.KeyRecord) error {
		all = append(all, batch...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func tombstones(t testing.TB, s *sqlite.Store) (n, damaged int) {
	t.Helper()
	damaged, err := s.Tombstones(t.Context(), func(halberd.Tombstone) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n, damaged
}
