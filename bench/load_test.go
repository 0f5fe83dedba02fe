package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// order is a load: callers that ask again as soon as they are answered, with
// one key after the other, each on a connection of its own (gRPC: all on one).
type order struct {
	Network, Address string
	// Head and Body are a request in which $KEY stands for a key. Content-Length
	// is added where there is a Body. Head empty: gRPC, ext_authz's Check.
	Head, Body string
	Want       string // must be in every answer
	Keys       string // the file they are in, one a line
	Callers    int
	During     time.Duration
}

// answered is what came of it.
type answered struct {
	Count, Bad int
	Took       time.Duration
	P50, P99   time.Duration
	CPU        time.Duration // of the load itself
}

func load(o order, out *json.Encoder) error {
	keys, err := lines(o.Keys)
	if err != nil {
		return err
	}
	callers := make([]caller, o.Callers)
	for i := range callers {
		switch {
		case o.Head == "" && i > 0:
			callers[i] = callers[0]
		case o.Head == "":
			callers[i], err = dialGateway(&o, keys)
		default:
			callers[i], err = dialPlain(&o, keys)
		}
		if err != nil {
			return err
		}
	}
	began := time.Now()
	end := began.Add(o.During)
	var all sync.WaitGroup
	took := make([][]time.Duration, len(callers))
	bad := make([]int, len(callers))
	failed := make([]error, len(callers))
	for i, c := range callers {
		took[i] = make([]time.Duration, 0, 1<<19/len(callers))
		all.Go(func() {
			for n, now := i*313, time.Now(); now.Before(end); n++ {
				good, err := c.ask(n)
				if err != nil {
					failed[i] = err
					return
				}
				if !good {
					bad[i]++
				}
				then := time.Now()
				took[i] = append(took[i], then.Sub(now))
				now = then
			}
		})
	}
	all.Wait()
	a := answered{Took: time.Since(began)}
	flat := slices.Concat(took...)
	slices.Sort(flat)
	if err := errors.Join(failed...); err != nil || len(flat) == 0 {
		return fmt.Errorf("the load on %s broke off: %w", o.Address, err)
	}
	for _, n := range bad {
		a.Bad += n
	}
	a.Count, a.P50, a.P99 = len(flat), flat[len(flat)/2], flat[len(flat)*99/100]
	a.CPU, err = cpuOf(os.Getpid())
	return errors.Join(err, out.Encode(a))
}

// caller asks with key n of the list, and says whether the answer was the
// wanted one.
type caller interface {
	ask(n int) (good bool, err error)
}

func dialPlain(o *order, keys []string) (caller, error) {
	conn, err := new(net.Dialer).DialContext(context.Background(), o.Network, o.Address)
	if err != nil {
		return nil, err
	}
	requests := make([][]byte, len(keys))
	for i, key := range keys {
		body := strings.ReplaceAll(o.Body, "$KEY", key)
		head := strings.ReplaceAll(o.Head, "$KEY", key)
		if body != "" {
			head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
		}
		requests[i] = []byte(head + "\r\n" + body)
	}
	return &plainCaller{conn: conn, r: bufio.NewReaderSize(conn, 16<<10), requests: requests, want: []byte(o.Want)}, nil
}

// plainCaller speaks the HTTP/1.1 that it meets here and no more, so that the
// load costs less than what it loads.
type plainCaller struct {
	conn     net.Conn
	r        *bufio.Reader
	requests [][]byte
	want     []byte
}

func (c *plainCaller) ask(n int) (bool, error) {
	if _, err := c.conn.Write(c.requests[n%len(c.requests)]); err != nil {
		return false, err
	}
	head, length, good := true, 0, true
	for line := 0; head; line++ {
		text, err := c.r.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		switch {
		case line == 0:
			good = bytes.HasPrefix(text, []byte("HTTP/1.1 200 "))
		case len(text) == 2:
			head = false
		case len(text) > 16 && bytes.EqualFold(text[:15], []byte("Content-Length:")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text[15:]))); err != nil {
				return false, err
			}
		}
	}
	body, err := c.r.Peek(length)
	if err != nil {
		return false, err
	}
	good = good && bytes.Contains(body, c.want)
	_, err = c.r.Discard(length)
	return good, err
}

func lines(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(f)
	return strings.Fields(string(text)), err
}
