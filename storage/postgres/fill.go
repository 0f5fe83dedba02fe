package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
)

// ErrOccupied says that a database that was to be filled is not empty.
var ErrOccupied = errors.New("the database is not empty")

// Fill puts the tables of another engine into an empty database, all of them or
// nothing. read hands over their rows, table by table, as sqlite's Tables does.
// Columns are matched by their names; a table that is not known is an error. It
// returns how many rows each table was given.
func (s *Store) Fill(ctx context.Context, read func(row func(table string, columns []string, row []any) error) error) (map[string]int64, error) {
	var f filling
	err := s.Update(ctx, func(t halberd.Tx) error {
		f = filling{tx: t.(*tx), ctx: ctx, rows: map[string]int64{}}
		if err := f.begin(); err != nil {
			return err
		}
		if err := read(f.row); err != nil {
			return errors.Join(err, f.flush())
		}
		if err := f.flush(); err != nil {
			return err
		}
		return f.end()
	})
	if err != nil {
		return nil, err
	}
	_, err = s.Rewind(ctx)
	return f.rows, err
}

// filling is one Fill.
type filling struct {
	tx       *tx
	ctx      context.Context
	rows     map[string]int64
	revision int64            // of the source
	last     map[string]int64 // the last number that a table has given, where one is never given twice

	table   string
	columns []column // of table, those that there are here
	batch   [][]any
}

// column is one of a table's columns: where it stands in the source's row, and
// what it is here.
type column struct {
	at   int
	name string
	kind string // uuid, bytea, boolean, ...
	null bool   // it may be NULL
}

const fillBatch = 2000 // rows written in one go

func (f *filling) begin() error {
	used := false
	if err := f.tx.get(`SELECT revision > 0 OR EXISTS (SELECT 1 FROM organizations) OR EXISTS (SELECT 1 FROM keys) OR EXISTS (SELECT 1 FROM meta)
		OR EXISTS (SELECT 1 FROM audit) FROM head`, nil, func(s *scanner) { used = s.bool() }); err != nil {
		return err
	}
	if used {
		return ErrOccupied
	}
	f.last = map[string]int64{}
	f.tx.ctx = f.ctx // it may take long
	_, err := f.tx.exec("SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)")
	return err
}

func (f *filling) row(table string, columns []string, row []any) error {
	switch table {
	case "census":
		for i, name := range columns {
			if n, ok := row[i].(int64); ok && name == "revision" {
				f.revision = n
			}
		}
		return nil
	case "sqlite_sequence":
		name, _ := row[0].(string)
		f.last[name], _ = row[1].(int64)
		return nil
	}
	if table != f.table {
		if err := f.flush(); err != nil {
			return err
		}
		if err := f.turnTo(table, columns); err != nil {
			return err
		}
	}
	values := make([]any, len(f.columns))
	for i, c := range f.columns {
		v, err := c.value(row[c.at])
		if err != nil {
			return fmt.Errorf("table %s, column %s: %w", table, c.name, err)
		}
		values[i] = v
	}
	f.batch = append(f.batch, values)
	f.rows[table]++
	if len(f.batch) == fillBatch {
		return f.flush()
	}
	return nil
}

// turnTo begins a table.
func (f *filling) turnTo(table string, columns []string) error {
	at := map[string]int{}
	for i, name := range columns {
		at[name] = i
	}
	f.table, f.columns = table, nil
	missing := map[string]bool{}
	if err := f.tx.all(`SELECT column_name::text, data_type::text, is_nullable = 'YES', column_default IS NOT NULL FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position`, []any{table}, func(s *scanner) {
		c := column{name: s.text(), kind: s.text(), null: s.bool()}
		var there bool
		if c.at, there = at[c.name]; there {
			f.columns = append(f.columns, c)
		} else if byDefault := s.bool(); !byDefault && !c.null {
			missing[c.name] = true
		}
		delete(at, c.name)
	}); err != nil {
		return err
	}
	delete(at, "row") // SQLite's own number of a row
	delete(at, "gone")
	switch {
	case len(f.columns) == 0:
		return fmt.Errorf("there is no table %s here: use the version of Halberd that the other database was used with last", table)
	case len(at) > 0 || len(missing) > 0:
		return fmt.Errorf("the columns of table %s are not those that there are here: use the version of Halberd that the other database was used with last", table)
	}
	if table == "marks" { // which is there from the beginning
		_, err := f.tx.exec("DELETE FROM marks")
		return err
	}
	return nil
}

// value is a value of SQLite's as the column takes it.
func (c column) value(v any) (any, error) {
	if v == nil && c.null {
		return nil, nil
	}
	switch c.kind {
	case "uuid":
		switch v := v.(type) {
		case []byte:
			if len(v) == 16 {
				return [16]byte(v), nil
			}
			if len(v) > 0 {
				return nil, fmt.Errorf("%d bytes are no id", len(v))
			}
		case nil:
		default:
			return nil, fmt.Errorf("a %T is no id", v)
		}
		return [16]byte{}, nil
	case "bytea":
		switch v := v.(type) {
		case string:
			return []byte(v), nil
		case []byte:
			return append([]byte{}, v...), nil
		case nil:
			return []byte{}, nil
		}
	case "boolean":
		n, _ := v.(int64)
		return n != 0, nil
	case "text":
		switch v := v.(type) {
		case string:
			if !sayable(v) {
				return nil, errors.New("a text holds a zero byte or is no UTF-8")
			}
			return v, nil
		case nil:
			return "", nil
		}
	case "bigint", "smallint", "integer":
		switch v := v.(type) {
		case int64:
			return v, nil
		case nil:
			return int64(0), nil
		}
	}
	return nil, fmt.Errorf("a %T cannot be a %s", v, c.kind)
}

// flush writes what is gathered.
func (f *filling) flush() error {
	if len(f.batch) == 0 {
		return nil
	}
	names := make([]string, len(f.columns))
	for i, c := range f.columns {
		names[i] = c.name
	}
	n, err := f.tx.c.CopyFrom(f.ctx, pgx.Identifier{f.table}, names, pgx.CopyFromRows(f.batch))
	if err != nil {
		return fmt.Errorf("table %s: %w", f.table, unavailable(err))
	}
	if int(n) != len(f.batch) {
		return fmt.Errorf("table %s: %d rows of %d were taken", f.table, n, len(f.batch))
	}
	f.batch = f.batch[:0]
	return nil
}

// end goes on where the other engine was: with its revision, and with numbers
// that it has not given yet.
func (f *filling) end() error {
	for _, table := range []string{"audit", "events"} {
		if _, err := f.tx.exec("SELECT setval(pg_get_serial_sequence($1, 'seq'), greatest(1, $2::bigint, (SELECT coalesce(max(seq), 0) FROM "+table+")))",
			table, f.last[table]); err != nil {
			return err
		}
	}
	for table, want := range f.rows {
		var got int64
		if err := f.tx.get("SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize(), nil, func(s *scanner) { got = s.int() }); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("table %s has %d rows, and %d were given to it", table, got, want)
		}
	}
	for _, text := range []string{
		"DELETE FROM changes",
		"UPDATE head SET mark = gen_random_uuid(), revision = greatest(1, " + fmt.Sprint(f.revision) + ")",
		"INSERT INTO changes (revision, mark) SELECT revision, mark FROM head",
	} {
		if _, err := f.tx.exec(text); err != nil {
			return fmt.Errorf("%s: %w", strings.Fields(text)[0], err)
		}
	}
	return nil
}
