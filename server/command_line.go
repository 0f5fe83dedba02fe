package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// self is how this program is called again, from anywhere, by someone who
// pastes it into a shell.
func self() string {
	exe, err := os.Executable()
	if err != nil {
		return "hb"
	}
	if found, err := exec.LookPath("hb"); err == nil && sameFile(found, exe) {
		return "hb"
	}
	// `go run` builds into a folder that is gone when the program ends.
	if wd, err := os.Getwd(); err == nil && strings.Contains(exe, string(filepath.Separator)+"go-build") && there(filepath.Join(wd, "cmd", "hb", "main.go")) {
		return "go -C " + quote(wd) + " run ./cmd/hb"
	}
	return quote(exe)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// quote makes one word of a POSIX shell of a text.
func quote(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:@%,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
