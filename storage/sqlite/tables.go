package sqlite

import (
	"context"
	"database/sql/driver"
	"strings"

	"github.com/halberdhq/halberd"
)

// Tables hands every row of every table to each, as one state, for who moves
// them to another engine: table by table, in the order in which rows were made
// where there is one. A row is only valid during the call. Tables that others
// are made from, or that only matter to SQLite, are left out.
func (s *Store) Tables(ctx context.Context, each func(table string, columns []string, row []any) error) error {
	if err := s.AddUsage(ctx, halberd.UsageBatch{}); err != nil { // what is noted is brought into the tables
		return err
	}
	return s.View(ctx, func(r halberd.Reader) error {
		in := r.(reader)
		for _, file := range []string{"main", "usage"} {
			var names []string
			if err := in.all("SELECT name FROM "+file+".sqlite_master WHERE type = 'table' AND (name NOT LIKE 'sqlite_%' OR name = 'sqlite_sequence') ORDER BY name",
				nil, func(s *scanner) { names = append(names, s.text()) }); err != nil {
				return err
			}
			for _, name := range names {
				switch name {
				case "populations", "notes", "goose_db_version":
					continue
				}
				if err := in.table(file, name, each); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// table hands over the rows of one.
func (r reader) table(file, name string, each func(table string, columns []string, row []any) error) error {
	var columns []string
	if err := r.all("SELECT name FROM pragma_table_info(?, ?)", []driver.Value{name, file}, func(s *scanner) { columns = append(columns, s.text()) }); err != nil {
		return err
	}
	order := ""
	for _, c := range columns {
		if c == "seq" && name != "sqlite_sequence" {
			order = " ORDER BY seq"
		}
	}
	out := make([]any, len(columns))
	var refused error
	err := r.c.query(r.ctx, `SELECT "`+strings.Join(columns, `", "`)+`" FROM `+file+"."+name+order, nil, func(row []driver.Value) error {
		for i, v := range row {
			out[i] = v
		}
		refused = each(name, columns, out)
		return refused
	})
	if refused != nil {
		return refused
	}
	return r.outcome(true, err)
}
