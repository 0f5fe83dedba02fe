package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal is v's file descriptor if v is a terminal.
func terminal(v any) (fd int, ok bool) {
	f, isFile := v.(*os.File)
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

const (
	noOneToAsk = "there is no terminal to ask on; add --force to do it without asking"
	noTerminal = "this cannot be undone, and " + noOneToAsk
)

// confirm puts a question. Only a typed yes is one; anything else is an error
// that says that nothing was changed. Without a terminal nobody can answer.
func (a *app) confirm(ctx context.Context, question string) error {
	if _, ok := terminal(a.in); !ok {
		return usage(noTerminal)
	}
	fmt.Fprint(a.err, clean(question)+" [y/N] ")
	line, err := interruptible(ctx, func() (string, error) {
		line, err := bufio.NewReader(io.LimitReader(a.in, 1024)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil // the end of input is a no
		}
		return line, err
	})
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &problem{exit: exitFailure, text: "nothing was changed"}
}

// readSecret reads a key: typed without being shown, or the one line of stdin.
func (a *app) readSecret(ctx context.Context, prompt string) (string, error) {
	fd, ok := terminal(a.in)
	if !ok {
		key, err := oneLine(a.in)
		if err != nil {
			return "", usage("stdin: %v", err)
		}
		return key, nil
	}
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(a.err, prompt)
	key, err := interruptible(ctx, func() (string, error) {
		b, err := term.ReadPassword(fd)
		return strings.TrimSpace(string(b)), err
	})
	fmt.Fprintln(a.err)
	if err != nil {
		_ = term.Restore(fd, state) // an interrupted ReadPassword leaves the echo off
		return "", err
	}
	if key == "" {
		return "", usage("no key was given")
	}
	return key, nil
}

// interruptible waits for read or for the end of ctx. A read from a terminal
// cannot be called off: the process is about to end, and takes it along.
func interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// oneLine reads a secret from a pipe or file: one line, whose end is dropped.
// Its errors do not quote it.
func oneLine(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, 4097))
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case text == "":
		return "", errors.New("there is no key in it")
	case len(b) > 4096 || strings.ContainsAny(text, "\r\n"):
		return "", errors.New("there must be one line, the key")
	}
	return text, nil
}
