package samples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const listed = "ID     NAME        PROVIDER  ACTIVE\n" +
	"src_1  Repository  github    true\n" +
	"src_2  Payments    stripe    true\n"

const started = "run_1 queued: runbook rb_1 of engagement 42 against https://example.com\n"

// S3-34: the two lines as printed.
func TestS3_34_TheShellLines(t *testing.T) {
	s := open(t, "whr_live")
	out := s.must("/usr/bin/bash", "-c", replaced(t, "s3/cli.sh", "YOUR_API_KEY", s.key("read").Secret.Reveal()))
	if string(out) != listed {
		t.Errorf("%s", out)
	}
}

// S1-17: the export as printed is enough for the program.
func TestS1_17_TheExport(t *testing.T) {
	s := open(t, "hb_live")
	script := replaced(t, "s1/export.sh", "YOUR_API_KEY", s.key("write").Secret.Reveal()) +
		"aphids-cli --runbook rb_1 --target-url https://example.com"
	if out := s.must("/usr/bin/bash", "-c", script); string(out) != started {
		t.Errorf("%s", out)
	}
}

// S1-18: the line as printed works, and warns that arguments are seen by all.
func TestS1_18_TheFlag(t *testing.T) {
	s := open(t, "hb_live")
	key := s.key("write").Secret.Reveal()
	line := replaced(t, "s1/aphids.sh", "RUNBOOK_ID", "rb_1")
	out, warning, exit := s.run(nil, "/usr/bin/bash", "-c", replaced(t, "s1/export.sh", "YOUR_API_KEY", key)+line)
	if exit != 0 || out != started || !strings.Contains(warning, "HIVE_API_KEY or use --api-key-file") || strings.Contains(warning, key) {
		t.Errorf("%d\n%s%s", exit, out, warning)
	}
	if out, says, exit := s.run(nil, "/usr/bin/bash", "-c", line); exit != 2 || out != "" || !strings.Contains(says, "is HIVE_API_KEY set?") {
		t.Errorf("without the export: %d\n%s%s", exit, out, says)
	}
}

var variable = regexp.MustCompile(`(?m)^  (\w+): (.+)$`)

// S3-33: the three snippets, read as each service reads them, with the key in
// its secret store.
func TestS3_33_TheKeyInPipelines(t *testing.T) {
	s := open(t, "whr_live")
	key := s.key("read").Secret.Reveal()
	stored := map[string]string{"HOOKBASE_API_KEY": key}
	for name, service := range map[string]struct {
		value func(name, written string) string // of a variable, as a job gets it
		works bool
	}{
		"github-actions.yml": {func(_, written string) string {
			inner := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(written, "${{"), "}}"))
			return stored[strings.TrimPrefix(inner, "secrets.")]
		}, true},
		// A variable of the project goes before one of the file.
		"gitlab-ci.yml": {func(name, _ string) string { return stored[name] }, true},
		// What stands here is not expanded, and goes before the project's: the
		// snippet hides the key. hookbase says so, and sends nothing.
		"circleci.yml": {func(_, written string) string { return written }, false},
	} {
		match := variable.FindStringSubmatch(replaced(t, "s3/"+name))
		if match == nil {
			t.Fatalf("%s has no variable", name)
		}
		out, says, exit := s.run([]string{match[1] + "=" + service.value(match[1], match[2])}, "/usr/bin/bash", "-c", "hookbase sources list")
		switch {
		case service.works && (exit != 0 || out != listed || says != ""):
			t.Errorf("%s: %d\n%s%s", name, exit, out, says)
		case !service.works && (exit != 4 || out != "" || !strings.Contains(says, "HOOKBASE_API_KEY holds the text of a reference")):
			t.Errorf("%s: %d\n%s%s", name, exit, out, says)
		}
	}
	// Wherever a shell reads the line, and on CircleCI without the snippet.
	for _, line := range []string{`HOOKBASE_API_KEY=${HOOKBASE_API_KEY} hookbase sources list`, `HOOKBASE_API_KEY=$HOOKBASE_API_KEY hookbase sources list`, `hookbase sources list`} {
		if out, says, exit := s.run([]string{"HOOKBASE_API_KEY=" + key}, "/usr/bin/bash", "-c", line); exit != 0 || out != listed {
			t.Errorf("%s: %d\n%s%s", line, exit, out, says)
		}
	}
}

// S1-21: a pipeline names its secret, and neither its definition nor what it
// prints holds the key.
func TestS1_21_APipelineRefersToItsSecret(t *testing.T) {
	s := open(t, "hb_live")
	key := s.key("write").Secret.Reveal()
	vault := filepath.Join(s.home, "vault")
	if err := os.Mkdir(vault, 0o700); err != nil {
		t.Fatal(err)
	}
	s.write("vault/hive", key+"\n")
	for _, pipeline := range []string{
		"set -euo pipefail\nHIVE_API_KEY=\"$(cat vault/hive)\" aphids-cli --runbook rb_1 --target-url https://example.com\n",
		"set -euo pipefail\naphids-cli --api-key-file vault/hive --runbook rb_1 --target-url https://example.com\n",
		"set -euo pipefail\naphids-cli --api-key-file - --runbook rb_1 --target-url https://example.com <vault/hive\n",
	} {
		out, says, exit := s.run(nil, "/usr/bin/bash", "-c", pipeline)
		if exit != 0 || says != "" || !strings.Contains(out, "queued") || strings.Contains(pipeline+out, key) {
			t.Errorf("%s%d\n%s%s", pipeline, exit, out, says)
		}
	}
}
