//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package keeper

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock that keeps every other process away from the folder.
// The system lets go of it when the process ends, however it ends.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return err
}
