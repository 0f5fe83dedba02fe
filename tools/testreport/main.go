// Command testreport reads the output of `go test -json` and writes what a
// person wants of it: the closing line of each package, the output of failed
// tests, and each skipped test with its reason.
//
// It fails when a test failed, when no package closed, and, under CI=true, when
// a test was skipped: a gate must not shrink unseen. A test that is skipped
// because it is a long campaign says HALBERD_CAMPAIGN in its reason and is let
// pass.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of `go test -json` (see go doc test2json).
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	FailedBuild string
}

type test struct{ pkg, name string }

func main() {
	ok, err := report(os.Stdin, os.Stdout, os.Getenv("CI") == "true")
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func report(in io.Reader, out io.Writer, strict bool) (ok bool, err error) {
	lines := bufio.NewReader(in)
	said := map[test][]string{}
	skipped := map[test]string{}
	failed, closed := false, 0
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err == io.EOF {
			break
		}
		if err != nil && err != io.EOF {
			return false, err
		}
		var e event
		if json.Unmarshal(line, &e) != nil { // what a build prints comes as it is
			_, _ = out.Write(line)
			continue
		}
		t := test{e.Package, e.Test}
		switch e.Action {
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "build-fail":
			failed = true
		case "output":
			if e.Test == "" && closing(e.Output) {
				fmt.Fprint(out, e.Output)
			} else {
				said[t] = append(said[t], e.Output)
			}
		case "skip":
			if e.Test != "" {
				skipped[t] = reason(said[t])
			}
			closed++
			delete(said, t)
		case "pass":
			closed++
			delete(said, t)
		case "fail":
			failed = true
			closed++
			fmt.Fprint(out, strings.Join(said[t], ""))
			delete(said, t)
		}
	}
	bad := 0
	for _, t := range sorted(skipped) {
		fmt.Fprintf(out, "skipped: %s %s: %s\n", t.pkg, t.name, skipped[t])
		if !strings.Contains(skipped[t], "HALBERD_CAMPAIGN") {
			bad++
		}
	}
	if strict && bad > 0 {
		fmt.Fprintf(out, "%d tests were skipped, and with CI=true none may be\n", bad)
		failed = true
	}
	if closed == 0 {
		return false, fmt.Errorf("no test ran")
	}
	return !failed, nil
}

// closing reports whether a package's line is its last: `ok`, `FAIL`, or "no
// test files".
func closing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t")
}

// reason is what a test said when it gave up.
func reason(said []string) string {
	for _, line := range slices.Backward(said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			return line
		}
	}
	return "no reason given"
}

func sorted(m map[test]string) []test {
	var all []test
	for t := range m {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b test) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name))
	})
	return all
}
