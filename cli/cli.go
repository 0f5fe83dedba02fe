// Package cli is hb for whoever holds a key: it makes, lists, changes and
// revokes API keys over /v1. Data goes to stdout, words to stderr, a secret
// never comes from the command line, and the exit code says what kind of
// refusal it was (exit.go).
//
// One verb is one file, and the directory of them is commands.go. What runs on
// the server's machine (serve, backup, recover) is not here: cmd/hb hands those
// in as Options.Extra.
package cli

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// Options is all that hb takes from the process around it. A nil Stdin reads
// nothing; nil writers drop what is written; a nil Getenv is os.Getenv.
type Options struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Version        string
	// Extra are further verbs. An error of theirs that has a method
	// ExitCode() int chooses the exit code; every other one is 1.
	Extra []*cobra.Command
}

// app is what the verbs share during one run.
type app struct {
	in      io.Reader
	out     io.Writer
	err     io.Writer
	getenv  func(string) string
	now     func() time.Time
	version string

	// The flags of every verb that talks to a server.
	url     string
	profile string
	format  string
	noColor bool
	quiet   bool
}

// New is the command tree. It is for documentation and completion; to run it,
// use Run, which also chooses the exit code and watches the arguments.
func New(o Options) *cobra.Command {
	_, root := build(o)
	return root
}

// Run does what the arguments ask and returns the exit code. It returns early,
// cleanly, when ctx ends: cmd/hb passes one that ends on SIGINT and SIGTERM.
func Run(ctx context.Context, o Options) (exit int) {
	a, root := build(o)
	if err := refuseSecrets(o.Args, a.getenv("HB_API_KEY"), a.getenv("HB_VERIFY_KEY")); err != nil {
		return a.fail(nil, err)
	}
	root.SetArgs(o.Args)
	cmd, err := root.ExecuteContextC(ctx)
	return a.fail(cmd, inFlags(cmd, err))
}

func build(o Options) (*app, *cobra.Command) {
	a := &app{in: o.Stdin, out: o.Stdout, err: o.Stderr, getenv: o.Getenv, version: o.Version, now: time.Now}
	if a.in == nil {
		a.in = eof{}
	}
	if a.out == nil {
		a.out = io.Discard
	}
	if a.err == nil {
		a.err = io.Discard
	}
	if a.getenv == nil {
		a.getenv = os.Getenv
	}
	if a.version == "" {
		a.version = "dev"
	}
	return a, a.commands(o.Extra)
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
