package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halberdhq/halberd"
)

// errUnconfirmed is why a commit that reported success is none: its wait for a
// standby was cut short.
var errUnconfirmed = errors.New("the commit was not confirmed")

// code is PostgreSQL's SQLSTATE in err, or "".
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// class is the first two letters of the code.
func class(err error) string {
	if c := code(err); len(c) == 5 {
		return c[:2]
	}
	return ""
}

// lost reports whether err says that there is no connection, or none any more.
func lost(err error) bool {
	switch class(err) {
	case "":
		return err != nil
	case "08", "57": // connection exceptions; shutdowns, crashes, ended sessions
		return code(err) != "57014" // a statement that took too long
	case "53", "25": // too many connections; a standby
		return true
	}
	return false
}

// Away reports whether err says that the database could not be reached, or was
// lost on the way, so that the same may succeed when it is back.
func Away(err error) bool {
	if errors.Is(err, ErrUnsuitable) || errors.Is(err, ErrNewer) {
		return false
	}
	if e, ok := errors.AsType[*halberd.Error](err); ok {
		return e.RetryAfter > 0 && e.Err != nil && lost(e.Err)
	}
	if code(err) != "" {
		return lost(err)
	}
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// refusal is what a failed write of one row means: a taken value, or a row that
// may not be so, or a database that does not work. Either way the transaction
// is over.
func refusal(err error) error {
	switch {
	case code(err) == "23505", code(err) == "23000":
		return halberd.ErrConflict
	case class(err) == "23", class(err) == "22":
		return fmt.Errorf("postgres: a row that may not be so: %w", err)
	}
	return unavailable(err)
}

// unavailable is the answer when the database fails. An error that is one
// already stays as it is.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*halberd.Error](err); ok {
		return e
	}
	if errors.Is(err, halberd.ErrClosed) || errors.Is(err, halberd.ErrFenced) || errors.Is(err, halberd.ErrHistory) {
		return err
	}
	message := "the database does not answer"
	switch c := code(err); {
	case errors.Is(err, errUnconfirmed):
		message = "the database has not confirmed the change: whether it was made is not known; repeat it, or read before you do"
	case c == "53100":
		message = "the database's disk is full: nothing was changed"
	case c == "55P03":
		message = "other changes hold up the database: nothing was changed"
	case c == "57014":
		message = "the database took too long"
	case c == notPermitted:
		message = "the database does not let this user do what must be done"
	case c == "25006":
		message = "the database takes no changes: it is a replica, or read-only"
	case class(err) == "XX", class(err) == "58":
		message = "the database is damaged"
	}
	return &halberd.Error{
		Code: halberd.CodeUnavailable, Message: message, RetryAfter: time.Second,
		Err: fmt.Errorf("postgres: %w", said(err)),
	}
}

// said is err as it may be logged: of a connection that was not made, no more
// than why.
func said(err error) error {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return unreached{e} // names the user and the database, never the password
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

// unreached says on one line why no connection was made, each cause once: every
// host is tried with TLS and, where the address lets it, without.
type unreached struct{ *pgconn.ConnectError }

func (e unreached) Unwrap() error { return e.ConnectError }

func (e unreached) Error() string {
	lines := strings.Split(e.ConnectError.Error(), "\n\t")
	var causes []string
	for _, l := range lines[1:] {
		if !slices.Contains(causes, l) {
			causes = append(causes, l)
		}
	}
	// Not why: the same host was asked once more.
	if others := slices.DeleteFunc(slices.Clone(causes), func(l string) bool {
		return strings.HasSuffix(l, "tls error: server refused TLS connection")
	}); len(others) > 0 {
		causes = others
	}
	return strings.TrimSpace(lines[0] + " " + strings.Join(causes, "; "))
}
