package server_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The demo in one command: its five commands, pasted as they are printed, see a
// whole API protected and then, after the revoke, closed. Nothing is left.
func TestTheFiveCommandsOfTheDemo(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t), "demo", "--listen", "127.0.0.1:0", "--shop", "127.0.0.1:0")
	cmd.Dir, cmd.Env = t.TempDir(), environ(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	var commands []string
	var folder string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "  ") {
			commands = append(commands, strings.TrimSpace(line))
		}
		if _, dir, found := strings.Cut(line, "More keys are beside, in "); found {
			folder = strings.TrimSuffix(dir, ".")
			break
		}
	}
	if len(commands) != 5 {
		t.Fatalf("%d commands: %q", len(commands), commands)
	}
	shell := exec.CommandContext(t.Context(), "bash", "-c", strings.Join(commands, " 2>/dev/null || exit 1\n"))
	shell.Env = environ(t)
	text, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	at := 0
	for _, want := range []string{"HTTP/1.1 200 OK", `{"sources":[`, "Production Backup Script", "CI Key", "revoked", "HTTP/1.1 401 Unauthorized", "Invalid or missing API key"} {
		i := strings.Index(string(text)[at:], want)
		if i < 0 {
			t.Fatalf("%q does not come where it should in:\n%s", want, text)
		}
		at += i
	}
	keys, err := filepath.Glob(filepath.Join(folder, "*.key"))
	if err != nil || len(keys) != 8 {
		t.Errorf("%v, %d key files", err, len(keys))
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}
