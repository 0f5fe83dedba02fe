package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Servers have one core, the load has another. Without two cores or taskset
// both run wherever there is room, and the table says so.
const serverCore, loadCore = "0", "1"

var tick = 10 * time.Millisecond // USER_HZ, 100 on every Linux

// pinned is a command on one core.
func pinned(ctx context.Context, core, program string, args ...string) *exec.Cmd {
	if taskset, err := exec.LookPath("taskset"); err == nil && canPin() {
		return exec.CommandContext(ctx, taskset, append([]string{"-c", core, program}, args...)...)
	}
	return exec.CommandContext(ctx, program, args...)
}

func canPin() bool {
	_, err := exec.LookPath("taskset")
	return err == nil && exec.Command("taskset", "-c", serverCore+","+loadCore, "true").Run() == nil
}

// self is this program in another role, on a core, with its order on stdin.
func self(ctx context.Context, role, core string) (*exec.Cmd, error) {
	me, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := pinned(ctx, core, me)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// startBare starts the server that looks at nothing. It ends with the benchmark.
func startBare(b *testing.B, o bareOrder) (at bareAt, pid int) {
	b.Helper()
	cmd, err := self(b.Context(), "bare", serverCore)
	if err != nil {
		b.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _, _ = io.Copy(io.Discard, out); _ = cmd.Wait() })
	if err := json.NewEncoder(in).Encode(o); err != nil {
		b.Fatal(err)
	}
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		b.Fatal(err)
	}
	return at, cmd.Process.Pid
}

// give runs a load and returns what came of it.
func give(ctx context.Context, o order) (a answered, err error) {
	cmd, err := self(ctx, "load", loadCore)
	if err != nil {
		return a, err
	}
	asked, err := json.Marshal(o)
	if err != nil {
		return a, err
	}
	cmd.Stdin = bytes.NewReader(asked)
	out, err := cmd.Output()
	if err != nil {
		return a, fmt.Errorf("%s: %w", out, err)
	}
	return a, json.NewDecoder(bytes.NewReader(out)).Decode(&a)
}

// cpuOf is the processor time that a process has had, the kernel's part with it.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// After the name, which may have anything in it, the third field is next.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return ticks(fields[11], fields[12])
}

// cpuOfAll is the time that all cores were not idle.
func cpuOfAll() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	f := strings.Fields(first)
	return ticks(f[1], f[2], f[3], f[6], f[7]) // user, nice, system, irq, softirq
}

func ticks(fields ...string) (sum time.Duration, err error) {
	for _, f := range fields {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}
