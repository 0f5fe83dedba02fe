// Package docs_test runs the documents: every command in a `console` block of
// README.md, CONTRIBUTING.md and this folder is typed into a shell, beside a
// real server on an empty folder, and what it prints is compared with what the
// document shows. Identifiers, secrets, times and the port are made alike first.
package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is one command of a document and what it shows below it.
type step struct {
	line    int
	command string
	shown   string
}

func TestCommandsInDocuments(t *testing.T) {
	files := []string{"../README.md", "../CONTRIBUTING.md"}
	err := filepath.WalkDir(".", func(name string, _ os.DirEntry, err error) error {
		if filepath.Ext(name) == ".md" {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "hb"), "../cmd/hb").CombinedOutput(); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	ran := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		steps := commands(string(text))
		ran += len(steps)
		if len(steps) == 0 {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			s := newShell(t, bin)
			for _, st := range steps {
				got := s.run(t, st.command)
				if want := s.alike(st.shown); s.alike(got) != want {
					t.Errorf("%s:%d: $ %s\nprints:\n%s\nthe document shows:\n%s", name, st.line, st.command, got, st.shown)
				}
			}
		})
	}
	if ran == 0 {
		t.Error("no document has a command")
	}
}

// commands finds the steps of the console blocks. A line that ends in a
// backslash goes on in the next.
func commands(text string) (steps []step) {
	inside := false
	for n, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: n + 1, command: line[2:]})
		case len(steps) > 0:
			last := &steps[len(steps)-1]
			if last.shown == "" && strings.HasSuffix(last.command, "\\") {
				last.command += "\n" + line
			} else {
				last.shown += line + "\n"
			}
		}
	}
	return steps
}

// shell is a bash in an empty folder, with hb on its path and an address of its
// own in place of 127.0.0.1:8080.
type shell struct {
	dir, address string
	stdin        io.Writer
	stdout       *bufio.Reader
}

func newShell(t *testing.T, bin string) *shell {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{dir: t.TempDir(), address: l.Addr().String()}
	_ = l.Close()
	// Not the test's own context: that ends before the cleanup, and with it the
	// shell, whose servers would go on alone.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "bash", "--norc")
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir, "LC_ALL=C.UTF-8", "TERM=dumb",
		"HALBERD_LISTEN=" + s.address, "HB_URL=http://" + s.address,
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stdin, s.stdout = in, bufio.NewReader(out)
	t.Cleanup(func() {
		_, _ = io.WriteString(in, "kill $(jobs -p) 2>/dev/null; wait\n")
		_ = in.Close()
		hung := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer hung.Stop()
		_ = cmd.Wait()
		if c, err := net.Dial("tcp", s.address); err == nil {
			_ = c.Close()
			t.Error("a server was left running at", s.address)
		}
	})
	return s
}

const mark = "-- that was all --"

// run types a command and returns what it printed on both streams. A server
// is left running, and waited for.
func (s *shell) run(t *testing.T, command string) string {
	t.Helper()
	command = strings.ReplaceAll(command, "go run ./cmd/hb", "command hb")
	command = strings.ReplaceAll(command, "go build -o bin/hb ./cmd/hb", "command -v hb >/dev/null") // it is there
	command = strings.ReplaceAll(command, "127.0.0.1:8080", s.address)
	script := fmt.Sprintf("{ %s\n} 2>&1 </dev/null; echo; echo '%s'\n", command, mark)
	if strings.HasSuffix(command, "hb serve") || strings.HasSuffix(command, "hb serve &") {
		// env: so that the job is the server itself, and not a shell around it.
		command = strings.TrimPrefix(strings.TrimSpace(strings.TrimSuffix(command, "&")), "command ")
		script = fmt.Sprintf("{ exec env %s; } >serve.out 2>serve.err </dev/null &\n"+
			"for i in $(seq 200); do curl -so /dev/null -f http://%s/readyz && break; sleep 0.05; done; cat serve.out; echo; echo '%s'\n",
			command, s.address, mark)
	}
	if _, err := io.WriteString(s.stdin, script); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		var out bytes.Buffer
		for {
			line, err := s.stdout.ReadString('\n')
			if err != nil || line == mark+"\n" {
				break
			}
			out.WriteString(line)
		}
		done <- out.String()
	}()
	select {
	case out := <-done:
		return out
	case <-time.After(30 * time.Second):
		t.Fatalf("$ %s does not end", command)
		return ""
	}
}

var changing = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\b(key|prj|org|req|aud)_[0-9a-z]{26}\b`), "${1}_ID"},
	{regexp.MustCompile(`\b(hb_live|whr_live|hrdly)_[0-9A-Za-z]{32}\b`), "${1}_SECRET"},
	{regexp.MustCompile(`\b(hb_live|whr_live|hrdly)_[0-9A-Za-z]{3}\b`), "${1}_HNT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d`), "DATE"},
	{regexp.MustCompile(`"revision":\d+`), `"revision":N`},
	{regexp.MustCompile(`\S*/halberd-data`), "halberd-data"},
	{regexp.MustCompile(`HB_URL=\S+ `), ""},
	{regexp.MustCompile(`go (-C \S+ )?run ./cmd/hb|\S*/hb `), "hb "},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(`(?m) $`), ""},
	{regexp.MustCompile(`\n\n+`), "\n"},
}

// alike takes out what differs from run to run.
func (s *shell) alike(text string) string {
	text = strings.ReplaceAll(text, s.address, "127.0.0.1:8080")
	text = strings.ReplaceAll(text, s.dir+"/", "")
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.as)
	}
	return strings.TrimSpace(text)
}
