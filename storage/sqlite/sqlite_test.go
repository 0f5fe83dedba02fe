package sqlite_test

import (
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
	"github.com/halberdhq/halberd/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) halberd.Store { return open(t, t.TempDir()) })
}

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
