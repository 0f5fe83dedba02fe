// Command aphids-cli starts a runbook (S1-17, S1-18):
//
//	export HIVE_API_KEY="…"
//	aphids-cli --runbook RUNBOOK_ID --target-url https://example.com
//
// HIVE_URL is where the API is. --api-key works and warns: every user of the
// machine can read the arguments of a program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/halberdhq/halberd/examples/hookshop/consumer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := program{getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}.run(ctx, os.Args[1:])
	stop()
	os.Exit(code) //nolint:forbidigo // the end of main
}

// program is what main gives to run.
type program struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	wait           func(context.Context, time.Duration) error // nil: a real wait
}

const usage = `usage: aphids-cli [--api-key-file FILE] --runbook ID --target-url URL
The key is taken from --api-key-file (- is standard input) or HIVE_API_KEY, the API's address from HIVE_URL.
--api-key KEY works too, and shows the key to every user of this machine.
`

const visible = "aphids-cli: warning: every user of this machine can read the key in --api-key, and the shell may keep it: " +
	"set HIVE_API_KEY or use --api-key-file\n"

// asked is what the arguments ask for.
type asked struct {
	key, keyFile, runbook, target string
}

// run returns how the program ends.
func (p program) run(ctx context.Context, args []string) int {
	var a asked
	flags := flag.NewFlagSet("aphids-cli", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // its messages repeat arguments, and one may be a key
	flags.StringVar(&a.key, "api-key", "", "")
	flags.StringVar(&a.keyFile, "api-key-file", "", "")
	flags.StringVar(&a.runbook, "runbook", "", "")
	flags.StringVar(&a.target, "target-url", "", "")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(p.stdout, usage)
		return 0
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["api-key"] {
		fmt.Fprint(p.stderr, visible)
	}
	if err == nil {
		err = sense(a, given, flags.NArg())
	} else {
		err = usageError("the arguments make no sense")
	}
	if err == nil {
		err = p.start(ctx, a, given)
	}
	if err != nil {
		fmt.Fprintln(p.stderr, "aphids-cli:", err)
	}
	if consumer.Exit(err) == consumer.ExitUsage {
		fmt.Fprint(p.stderr, usage)
	}
	return consumer.Exit(err)
}

func usageError(text string) error { return &consumer.Error{Exit: consumer.ExitUsage, Message: text} }

// sense judges the arguments together. Without quotes an empty $HIVE_API_KEY is
// no argument at all, and the next flag looks like the key.
func sense(a asked, given map[string]bool, rest int) error {
	switch {
	case given["api-key"] && (a.key == "" || strings.HasPrefix(a.key, "-")):
		return usageError("--api-key has no value: is HIVE_API_KEY set?")
	case given["api-key"] && given["api-key-file"]:
		return usageError("--api-key and --api-key-file exclude each other")
	case rest > 0:
		return usageError("there is an argument too many")
	case a.runbook == "" || a.target == "":
		return usageError("--runbook and --target-url are needed")
	}
	return nil
}

func (p program) start(ctx context.Context, a asked, given map[string]bool) error {
	key, from := p.getenv("HIVE_API_KEY"), "HIVE_API_KEY"
	switch {
	case given["api-key"]:
		key, from = a.key, "--api-key"
	case given["api-key-file"]:
		var err error
		if key, err = p.readKey(a.keyFile); err != nil {
			return err
		}
		from = "--api-key-file"
	}
	address := p.getenv("HIVE_URL")
	if address == "" {
		address = "http://127.0.0.1:8081"
	}
	c, err := consumer.New(address, key, from)
	if err != nil {
		return err
	}
	if p.wait != nil {
		c.Wait = p.wait
	}
	if a.runbook == key || a.target == key { // addresses end up in logs
		return usageError("the key stands where something else belongs")
	}
	var answer struct {
		Run struct {
			ID           string `json:"id"`
			EngagementID string `json:"engagementId"`
			Status       string `json:"status"`
		} `json:"run"`
	}
	in := map[string]string{"targetUrl": a.target}
	if err := c.Post(ctx, "/api/runbooks/"+url.PathEscape(a.runbook)+"/runs", in, &answer); err != nil {
		return err
	}
	run := answer.Run
	fmt.Fprintln(p.stdout, consumer.Printable(fmt.Sprintf("%s %s: runbook %s of engagement %s against %s",
		run.ID, run.Status, a.runbook, run.EngagementID, a.target)))
	return nil
}

// readKey reads a key from a file that holds nothing else.
func (p program) readKey(name string) (string, error) {
	in := p.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", usageError("--api-key-file: there is no such file, or it may not be read") // its name may be a key
		}
		defer func() { _ = f.Close() }() // it was only read
		if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
			fmt.Fprintln(p.stderr, "aphids-cli: warning: other users of this machine can read the key file: chmod 600 it")
		}
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return "", usageError("--api-key-file cannot be read")
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
