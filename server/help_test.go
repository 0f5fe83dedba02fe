package server_test

import (
	"strings"
	"testing"
)

// A flag's words stand alone: whoever looks one up does not read the one above.
func TestHelpNamesSettingsInTheirOrderAndOtherVerbsOnlyWhatTheyUse(t *testing.T) {
	help := run(t, "serve", "--help").must(t).out
	at := 0
	for line := range strings.SplitSeq(strings.TrimSpace(run(t, "serve", "--print-config").must(t).out), "\n") {
		name, _, _ := strings.Cut(line, ":")
		flag := "--" + strings.ReplaceAll(name, "_", "-") + " string "
		next := strings.Index(help, flag)
		if next <= at {
			t.Fatalf("%sis not there, or not behind the setting before it:\n%s", flag, help)
		}
		at = next
		words, _, _ := strings.Cut(help[at+len(flag):], "\n")
		words = strings.TrimSpace(words)
		if strings.HasPrefix(words, "and ") || strings.HasPrefix(words, "its ") || strings.Contains(words, "of them") || strings.Contains(words, "those of") {
			t.Errorf("%s %q says nothing by itself", flag, words)
		}
	}
	for _, verb := range []string{"doctor", "recover", "backup", "restore"} {
		if help := run(t, verb, "--help").must(t).out; strings.Contains(help, "--guess-burst") || !strings.Contains(help, "--data ") {
			t.Errorf("hb %s --help:\n%s", verb, help)
		}
	}
}
