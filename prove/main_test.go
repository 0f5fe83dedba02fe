//go:build linux

// Package prove runs the proof that docs/operations/proof.md explains: a real
// PostgreSQL, three real servers, faults, and every answer recorded and judged.
// It knows no room but what starts a PostgreSQL: it speaks to bin/hb from outside.
package prove

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
)

// This program runs itself again, so that nothing is left of it however it ends;
// where it may, as root, in a network whose addresses are nobody else's.
const (
	insideVariable  = "HALBERD_PROVE_INSIDE"  // set in the one that is run
	networkVariable = "HALBERD_PROVE_NETWORK" // "proxy": do not even try
)

// ownNetwork is the insideVariable of the one that has a network of its own.
var ownNetwork = strconv.FormatUint(syscall.CLONE_NEWNET, 10)

// verdictLine is what `make prove` ends with.
var verdictLine = make(chan string, 1)

func TestMain(m *testing.M) {
	switch os.Getenv(insideVariable) {
	case "":
		if os.Getenv(networkVariable) != "proxy" && mayNamespace() {
			os.Exit(again(syscall.CLONE_NEWNET))
		}
		os.Exit(again(0))
	case ownNetwork:
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "no loopback in the new network: %v %s\n", err, out)
			os.Exit(1)
		}
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "10") // what runs beside something else here waits for leases to end
	code := m.Run()
	buildOnce.remove()
	endShared()
	select {
	case line := <-verdictLine:
		fmt.Println(line)
	default:
	}
	os.Exit(code)
}

// mayNamespace reports whether networks can be made here.
func mayNamespace() bool {
	for _, program := range []string{"ip", "nsenter", "sleep"} {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	if os.Geteuid() != 0 {
		return false
	}
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return cmd.Run() == nil
}

// again runs this program in a process below this one, in a network of its own if
// it may be, and returns its exit code. This one takes in what loses its parent
// there, such as the sessions of a PostgreSQL that was killed, and at last ends
// what is left.
func again(flags uintptr) int {
	const becomeSubreaper = 36 // PR_SET_CHILD_SUBREAPER
	if _, _, failed := syscall.RawSyscall(syscall.SYS_PRCTL, becomeSubreaper, 1, 0); failed != 0 {
		fmt.Fprintln(os.Stderr, "prctl:", failed)
		return 1
	}
	me, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	runtime.LockOSThread() // the child ends with the thread that started it
	child, err := os.StartProcess(me, os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), insideVariable+"="+strconv.FormatUint(uint64(flags), 10)),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: flags},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := -1
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // nobody is left
			return code
		case pid == child.Pid:
			if code = status.ExitStatus(); code < 0 {
				code = 1
			}
			for _, orphan := range offspring(os.Getpid()) {
				_ = syscall.Kill(orphan, syscall.SIGKILL)
			}
		}
	}
}
