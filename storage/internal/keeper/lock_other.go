//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package keeper

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock two servers could write the same folder.
func lockFile(*os.File) error {
	return errors.New("a data folder needs file locks (flock), which this system does not have")
}
