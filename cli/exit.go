package cli

import (
	"errors"
	"fmt"
)

func (a *app) fail(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(a.err, "hb:", err)
	if e, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return e.ExitCode()
	}
	return 1
}
