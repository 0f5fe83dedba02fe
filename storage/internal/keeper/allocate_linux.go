package keeper

import (
	"os"
	"syscall"
)

// allocate takes room on the disk for the first n bytes of a file, whose size
// stays as it is.
func allocate(f *os.File, n int64) error {
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE
	return syscall.Fallocate(int(f.Fd()), keepSize, 0, n)
}
