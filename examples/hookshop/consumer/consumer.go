// Package consumer is how a program should call an API that wants a key: https
// only, the key in a header and nowhere else, a pause that grows when there
// were too many requests, and a bound to it all. Both command-line programs of
// this example use it.
package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxAnswer = 1 << 20 // bytes

// Caller calls one API with one key. Printing it shows no key.
type Caller struct {
	// Wait passes the time between two tries. New sets it to a real wait.
	Wait func(ctx context.Context, d time.Duration) error

	base *url.URL
	key  func() string // no printing verb looks into a function
	http *http.Client
}

// New is a Caller of the API at address. variable is where the key came from,
// for the messages.
func New(address, key, variable string) (*Caller, error) {
	base, err := url.Parse(address)
	switch {
	case err != nil || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, &Error{Exit: ExitUsage, Message: "the address must be like https://api.example.com"}
	case base.Scheme == "http" && !loopback(base.Hostname()):
		return nil, &Error{Exit: ExitUsage, Message: "plain http would show the key to everyone on the way: use https"}
	case key == "":
		return nil, &Error{Exit: ExitAuth, Message: "there is no API key: set " + variable}
	case strings.Contains(key, "$"):
		return nil, &Error{Exit: ExitAuth, Message: variable + " holds the text of a reference and not a key: nothing put the value in its place"}
	case strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }):
		return nil, &Error{Exit: ExitAuth, Message: variable + " holds no key: there are spaces, line breaks or other characters in it that no key has"}
	}
	return &Caller{
		Wait: wait,
		base: base,
		key:  func() string { return key },
		http: &http.Client{
			Timeout: 30 * time.Second,
			// The key must not travel to wherever an answer points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Get reads what is at path into out. Every error is an *Error.
func (c *Caller) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// Post sends in and reads the answer into out. Every error is an *Error.
func (c *Caller) Post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out)
}

func (c *Caller) call(ctx context.Context, method, path string, in, out any) error {
	var payload []byte
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return &Error{Exit: ExitUsage, Message: "the request cannot be written as JSON"}
		}
		payload = text
	}
	var text []byte
	err := c.persist(ctx, method, func() (err error) {
		text, err = c.once(ctx, method, path, payload)
		return err
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &Error{Exit: ExitFailure, Message: "the answer makes no sense; is this the address of the API?"}
	}
	return nil
}

func (c *Caller) once(ctx context.Context, method, path string, payload []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.base.String(), "/")+path, bytes.NewReader(payload))
	if err != nil {
		return nil, &Error{Exit: ExitUsage, Message: "this cannot be asked for"}
	}
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.key())
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(ctx, c.base.Host, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, unreachable(ctx, c.base.Host, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, refusal(resp, text, time.Now())
	}
	return text, nil
}

func unreachable(ctx context.Context, host string, err error) *Error {
	if ctx.Err() != nil {
		return &Error{Exit: ExitInterrupted, Message: "interrupted"}
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &Error{Exit: ExitUnavailable, Message: "no answer from " + host + ": " + err.Error()}
}
