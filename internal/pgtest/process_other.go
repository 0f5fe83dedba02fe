//go:build !linux

package pgtest

import "syscall"

// attributes are none: a server that the tests leave behind is ended by hand.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// other is nobody: tests do not run as root here.
func other() (*syscall.Credential, error) { return nil, nil }
