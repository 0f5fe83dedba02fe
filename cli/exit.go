package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

// The exit codes, as published.
const (
	exitFailure     = 1 // everything that has no code of its own
	exitUsage       = 2 // the command, or a value in it, makes no sense
	exitNotFound    = 3
	exitAuth        = 4   // no key, a bad one, or one that may not
	exitConflict    = 5   // the state forbids it
	exitRateLimited = 6   // too fast
	exitUnavailable = 7   // the answer is not known
	exitRefused     = 8   // `hb verify`: the key may not do this
	exitInterrupted = 130 // SIGINT, as shells say it
)

// refusal is what hb makes of one code: how it ends, and what a person can do.
type refusal struct {
	exit int
	next string
}

// refusals has a line for every code of the server and of the client; a test
// says which is missing.
var refusals = map[string]refusal{
	"INVALID_REQUEST":        {exitUsage, ""},
	"UNAUTHORIZED":           {exitAuth, "Check that the key belongs to this server and is active, or make a profile with `hb login`."},
	"FORBIDDEN":              {exitAuth, "The key in use may not do this; `hb whoami` shows what it may."},
	"SCOPE_ESCALATION":       {exitAuth, "Nobody grants more than they hold; `hb whoami` shows what the key in use holds."},
	"NOT_FOUND":              {exitNotFound, "It does not exist, or the key in use does not reach it."},
	"ENDPOINT_NOT_FOUND":     {exitNotFound, "It does not exist, or the key in use does not reach it."},
	"METHOD_NOT_ALLOWED":     {exitFailure, "The server may be older than this hb; compare `hb version` with its own."},
	"KEY_LIMIT_EXCEEDED":     {exitConflict, "Revoke a key that is not used (`hb api-keys list --unused-since 90d`), or ask an operator for a higher ceiling."},
	"KEY_REVOKED":            {exitConflict, ""}, // the message says it all
	"CONFLICT":               {exitConflict, "Look at it as it is now, then decide again."},
	"LAST_ADMIN":             {exitConflict, "Make another organization-wide admin key first."},
	"IDEMPOTENT_REPLAY":      {exitConflict, ""},
	"IDEMPOTENCY_MISMATCH":   {exitConflict, "Use another --idempotency-key for another request."},
	"PAYLOAD_TOO_LARGE":      {exitUsage, "Send less at once."},
	"HEADERS_TOO_LARGE":      {exitUsage, "Something before the server adds too many headers, or a value is too long."},
	"UNSUPPORTED_MEDIA_TYPE": {exitUsage, "The server may be older than this hb; compare `hb version` with its own."},
	"RATE_LIMITED":           {exitRateLimited, "Wait before the next try."},
	"UNAVAILABLE":            {exitUnavailable, "Nothing is known for certain; try again in a moment."},
	"INTERNAL":               {exitFailure, "The server's log has more under the request id."},
	client.CodeUnreachable:   {exitUnavailable, "Check the address, and that the server runs."},
	client.CodeBadAnswer:     {exitFailure, "Check the address: it must be the one of the server itself, without /v1."},
}

// problem is an error of hb's own.
type problem struct {
	exit int
	text string // one or more lines; empty says nothing
	err  error
}

func (p *problem) Error() string { return p.text }
func (p *problem) ExitCode() int { return p.exit }
func (p *problem) Unwrap() error { return p.err }

// usage is a command that makes no sense. Nothing was asked of the server.
func usage(format string, args ...any) error {
	return &problem{exit: exitUsage, text: fmt.Sprintf(format, args...)}
}

// noAccess is a missing or unusable credential.
func noAccess(format string, args ...any) error {
	return &problem{exit: exitAuth, text: fmt.Sprintf(format, args...)}
}

// fail says what went wrong in cmd (nil: before one was found), what to do and the
// request id, and chooses the exit code.
func (a *app) fail(cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*client.Error](err); ok && !errors.Is(err, context.Canceled) {
		how := refusals[e.Code]
		a.say("hb: %s", clean(e.Message))
		next := advice(e, how)
		if how.exit == exitNotFound {
			next += " `" + lister(cmd) + "` shows what it reaches."
		}
		if next != "" {
			a.say("    %s", next)
		}
		if e.RequestID != "" {
			a.say("    request id: %s", clean(e.RequestID))
		}
		return max(how.exit, exitFailure)
	}
	if errors.Is(err, context.Canceled) {
		a.say("hb: stopped")
		return exitInterrupted
	}
	if err.Error() != "" {
		a.say("hb: %s", err)
	}
	if e, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return e.ExitCode()
	}
	return exitFailure
}

func advice(e *client.Error, how refusal) string {
	switch {
	case e.KeyID != "":
		return "If nobody has that key's secret, make a new one with `hb api-keys rotate " + e.KeyID + "`,\n" +
			"    or revoke it with `hb api-keys delete " + e.KeyID + "`."
	case e.RetryAfter > 0:
		return fmt.Sprintf("Try again in %v.", e.RetryAfter)
	case untrusted(e):
		return "The server's certificate must be for this address, and of an authority that this machine trusts: SSL_CERT_FILE\n" +
			"    names a PEM file of those to trust (on Unix), such as the certificate itself when it is self-signed."
	}
	return how.next
}

// lister is the verb that lists what cmd takes an id of.
func lister(cmd *cobra.Command) string {
	if cmd == nil || !cmd.HasParent() {
		return "hb api-keys list"
	}
	name := "list"
	if strings.HasSuffix(cmd.Name(), "-rule") {
		name = "rules"
	}
	for _, beside := range cmd.Parent().Commands() {
		if beside.Name() == name {
			return beside.CommandPath()
		}
	}
	return lister(cmd.Parent())
}

func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// say writes one line for people. Whatever it quotes may come from anywhere,
// so each line is made harmless on its own.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.err, cleanLines(fmt.Sprintf(format, args...)))
}
