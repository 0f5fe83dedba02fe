package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	"modernc.org/sqlite"
)

// conn is one connection of the driver with the statements it has prepared.
// database/sql is left out: one goroutine holds a conn at a time anyway, and
// its scanning costs more than the reading. Not safe for concurrent use.
type conn struct {
	raw   rawConn
	stmts map[string]rawStmt
}

type rawConn interface {
	driver.Conn
	driver.ConnPrepareContext
}

type rawStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// stmtsKept bounds a conn's prepared statements. Lists and updates have many
// shapes, of which few are common.
const stmtsKept = 128

// connect opens a file that must be there, then runs the given statements.
func connect(ctx context.Context, path string, setup ...string) (*conn, error) {
	connector, err := sqlite.NewConnector(fileURI(path, "rw"))
	if err != nil {
		return nil, err
	}
	dc, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	raw, ok := dc.(rawConn)
	if !ok {
		_ = dc.Close()
		return nil, fmt.Errorf("the driver's connection is a %T", dc)
	}
	c := &conn{raw: raw, stmts: map[string]rawStmt{}}
	for _, text := range setup {
		if err := c.once(ctx, text); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", text, err), c.close())
		}
	}
	return c, nil
}

// fileURI names a database file, whatever characters its folder has.
func fileURI(path, mode string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode + "&_pragma=busy_timeout(10000)"
}

func (c *conn) close() error {
	errs := c.forget()
	return errors.Join(errs, c.raw.Close())
}

func (c *conn) forget() (err error) {
	for _, s := range c.stmts {
		err = errors.Join(err, s.Close())
	}
	clear(c.stmts)
	return err
}

func (c *conn) prepare(ctx context.Context, text string) (rawStmt, error) {
	if s := c.stmts[text]; s != nil {
		return s, nil
	}
	if len(c.stmts) >= stmtsKept {
		if err := c.forget(); err != nil {
			return nil, err
		}
	}
	ds, err := c.raw.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s, ok := ds.(rawStmt)
	if !ok {
		_ = ds.Close()
		return nil, fmt.Errorf("the driver's statement is a %T", ds)
	}
	c.stmts[text] = s
	return s, nil
}

// once runs a statement that will not come again.
func (c *conn) once(ctx context.Context, text string) error {
	s, err := c.raw.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	_, err = s.(rawStmt).ExecContext(ctx, nil)
	return errors.Join(err, s.Close())
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(text string, args ...driver.Value) (int64, error) {
	ctx := context.Background() // a write that has begun is not interrupted
	s, err := c.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	done, err := s.ExecContext(ctx, named(args))
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// query hands each row to fn. The row is only valid during the call; its
// texts and blobs are fn's to keep.
func (c *conn) query(ctx context.Context, text string, args []driver.Value, fn func(row []driver.Value) error) (err error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, named(args))
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for n := 0; ; n++ {
		if n%256 == 255 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}

// one reads the first row; found is false when there is none.
func (c *conn) one(ctx context.Context, text string, args []driver.Value, fn func(row []driver.Value) error) (found bool, err error) {
	err = c.query(ctx, text, args, func(row []driver.Value) error {
		if found {
			return nil
		}
		found = true
		return fn(row)
	})
	return found, err
}

func named(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}
