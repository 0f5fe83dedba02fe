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
