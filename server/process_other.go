//go:build !(linux || darwin)

package server

import (
	"errors"
	"os"
)

func harden() {}

func hangups() (c <-chan os.Signal, stop func()) { return nil, func() {} }

func holdFolder(string) (release func() error, err error) {
	return nil, errors.New("this system has no file locks that we know how to take")
}

func ownerOf(os.FileInfo) (uid int, known bool) { return 0, false }

func freeBytes(string) (uint64, error) {
	return 0, errors.New("this system does not tell")
}

func filesMax() int { return 0 }
