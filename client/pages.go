package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Page is one page of a list. Next is empty at the end; otherwise it is the
// cursor of the next page, for the same query.
type Page[T any] struct {
	Items []T
	Next  string
}

// PageOf picks a page. The zero PageOf is the first, of the server's own size.
type PageOf struct {
	Limit  int // 1 to 100; 0: the server's own
	Cursor string
}

func (p PageOf) put(q url.Values) url.Values {
	if p.Limit != 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	put(q, "cursor", p.Cursor)
	return q
}

// put sets a parameter that has a value.
func put(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func page[T any](ctx context.Context, c *conn, path string, q url.Values) (Page[T], error) {
	return pageUnder[T](ctx, c, path, "", q)
}

// pageUnder is page for a path with an {id} in it.
func pageUnder[T any](ctx context.Context, c *conn, path, id string, q url.Values) (Page[T], error) {
	a, err := send[[]T](ctx, c, call{method: http.MethodGet, path: path, id: id, query: q})
	p := Page[T]{Items: a.Data}
	if a.Meta.NextCursor != nil {
		p.Next = *a.Meta.NextCursor
	}
	return p, err
}

// all walks the pages from first on. An error is the last thing it yields.
func all[T any](first PageOf, fetch func(PageOf) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at := first; ; {
			p, err := fetch(at)
			if err == nil && p.Next != "" && p.Next == at.Cursor {
				err = &Error{Status: http.StatusOK, Code: CodeBadAnswer, Message: "the list has no end: a page names itself as the next"}
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			at.Cursor = p.Next
		}
	}
}
