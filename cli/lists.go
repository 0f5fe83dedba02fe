package cli

import (
	"iter"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

const (
	usualList = 50
	pageSize  = 100 // the largest that the server gives
)

// paging is how much of a list is wanted.
type paging struct {
	limit int
	all   bool
}

func (p *paging) on(c *cobra.Command) {
	f := c.Flags()
	f.IntVar(&p.limit, "limit", usualList, "how many at most")
	f.BoolVar(&p.all, "all", false, "everything there is")
	c.PreRunE = func(*cobra.Command, []string) error {
		if p.limit < 1 {
			return usage("--limit must be 1 or more")
		}
		return nil
	}
}

// first is the first page to ask for: one item more than is wanted tells
// whether there are more.
func (p *paging) first() client.PageOf {
	if p.all || p.limit >= pageSize {
		return client.PageOf{Limit: pageSize}
	}
	return client.PageOf{Limit: p.limit + 1}
}

// collect takes what is wanted of a list and says whether there was more.
func collect[T any](items iter.Seq2[T, error], want paging) (out []T, more bool, err error) {
	out = []T{}
	for item, err := range items {
		if err != nil {
			return nil, false, err
		}
		if !want.all && len(out) == want.limit {
			return out, true, nil
		}
		out = append(out, item)
	}
	return out, false, nil
}

// rows writes a list for people: a table, nothing when it is empty, and with
// -q the ids alone.
func rows[T any](a *app, p *page, heads []string, items []T, id func(*T) string, row func(*T) []cell) {
	cells := make([][]cell, 0, len(items))
	for i := range items {
		if a.quiet {
			p.line(id(&items[i]))
			continue
		}
		cells = append(cells, row(&items[i]))
	}
	if len(cells) > 0 {
		p.table(heads, cells)
	}
}

// listing is how the items of a list are written for people.
type listing[T any] struct {
	what  string // they are, in a sentence: "API keys"
	heads []string
	id    func(*T) string // all that -q shows
	row   func(*T) []cell
}

// print shows as many of the items as are wanted, and says when there are more.
func (l listing[T]) print(a *app, items iter.Seq2[T, error], want paging) error {
	got, more, err := collect(items, want)
	if err != nil {
		return err
	}
	if err := a.show(got, func(p *page) { rows(a, p, l.heads, got, l.id, l.row) }); err != nil {
		return err
	}
	switch n := len(got); {
	case n == 0:
		a.tell("There are no %s here.", l.what)
	case more && n == 1:
		a.say("There are more %s than this one: use --limit or --all.", l.what)
	case more:
		a.say("There are more %s than these %d: use --limit or --all.", l.what, n)
	}
	return nil
}
