//go:build linux

package prove

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// spawn starts a process that ends with this one, however this one ends. The
// channel has the result once, when it has ended.
func spawn(cmd *exec.Cmd, atOurEnd syscall.Signal, flags uintptr) (<-chan error, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = atOurEnd
	cmd.SysProcAttr.Cloneflags = flags
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The system sends the signal when the thread that started the process
		// ends, so that thread does nothing else.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
			close(ended) // whoever asks later is told that it has ended
		}
	}()
	return ended, <-started
}

// journal keeps what a process writes: its beginning and its end.
type journal struct {
	mu         sync.Mutex
	head, tail []byte
}

const journalHalf = 64 << 10

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	rest := p
	if room := journalHalf - len(j.head); room > 0 {
		n := min(room, len(rest))
		j.head, rest = append(j.head, rest[:n]...), rest[n:]
	}
	j.tail = append(j.tail, rest...)
	if len(j.tail) > 2*journalHalf {
		j.tail = bytes.Clone(j.tail[len(j.tail)-journalHalf:])
	}
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.head) + string(j.tail)
}

func (j *journal) has(words string) bool { return strings.Contains(j.String(), words) }

// without is what was written but for lines with these words.
func (j *journal) without(words string) string {
	lines := strings.SplitAfter(j.String(), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, words) }), "")
}

// builds makes the program once for every set of tags.
type builds struct {
	mu   sync.Mutex
	dir  string
	made map[string]string
}

var buildOnce builds

// program is hb as this tree makes it. The tag planted adds what a shipped
// program must not have: bugs to be switched on, and a clock that can be set.
func (b *builds) program(t testing.TB, tags string) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if exe, ok := b.made[tags]; ok {
		return exe
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "hbprove-*") //nolint:usetesting // it is for all tests
		if err != nil {
			t.Fatal(err)
		}
		b.dir, b.made = dir, map[string]string{}
	}
	exe := filepath.Join(b.dir, "hb-"+tags)
	if out, err := exec.Command("go", "build", "-tags", tags, "-o", exe, "../cmd/hb").CombinedOutput(); err != nil {
		t.Fatalf("building hb: %v\n%s", err, out)
	}
	b.made[tags] = exe
	return exe
}

func (b *builds) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

// offspring are the processes that a process started, read from /proc.
func offspring(pid int) (pids []int) {
	list, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var parent int
		var state string
		if _, err := fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &parent); err != nil || parent != pid {
			continue
		}
		var one int
		if _, err := fmt.Sscan(strings.TrimPrefix(path, "/proc/"), &one); err == nil || one > 0 {
			pids = append(pids, one)
		}
	}
	return pids
}
