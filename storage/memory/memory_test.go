package memory_test

import (
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
	"github.com/halberdhq/halberd/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) halberd.Store { return memory.New() })
}

func TestContractOfACluster(t *testing.T) {
	storagetest.RunCluster(t, func(*testing.T) storagetest.Shared {
		db := memory.NewDatabase()
		return storagetest.Shared{
			Open:    func(*testing.T) storagetest.Handle { return db.Open() },
			Forget:  func(_ *testing.T, revision int64) { db.Forget(revision) },
			Standby: func(*testing.T) func() { return db.Standby().Promote },
		}
	})
}
