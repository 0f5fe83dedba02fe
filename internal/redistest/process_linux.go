package redistest

import (
	"os/exec"
	"syscall"
)

// endWithParent sees to it that nothing is left behind by a test that was killed.
func endWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
