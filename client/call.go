package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 8 << 20

// call is one request of /v1.
type call struct {
	method string
	path   string // below /v1; {id} stands for id
	id     string
	query  url.Values
	body   any // nil: none

	idempotency string // Idempotency-Key
	version     int64  // If-Match; 0: none
	prefer      string // Prefer; "": nothing
	// spends says that a repeat costs something (a check takes from limits), so
	// it is not repeated unless the first surely never began.
	spends bool
	// asked are the keys that checks are about: like the caller's own, they are kept
	// out of errors.
	asked []string
}

// CallOption changes one call.
type CallOption func(*call)

// IdempotencyKey makes create, rotate and bulk use key instead of a fresh one, so
// that a program may repeat them after a crash. A repeat of create or rotate is
// then answered IDEMPOTENT_REPLAY with the key's id, and the secret is not
// recovered: it may be in use.
func IdempotencyKey(key string) CallOption { return func(c *call) { c.idempotency = key } }

// IfVersion makes a change fail with CONFLICT unless the object still has this
// version.
func IfVersion(v int64) CallOption { return func(c *call) { c.version = v } }

// RespondAsync makes a change that narrows come back after wait where another node
// cannot be reached, instead of when that node's lease has ended: it is not
// Confirmed then, and Propagation.EffectiveBy says when it will be.
func RespondAsync(wait time.Duration) CallOption {
	return func(c *call) {
		c.prefer = "respond-async, wait=" + strconv.Itoa(int(wait.Round(time.Second)/time.Second))
	}
}

// Changed is an object after a change, and how far the change has gone.
type Changed[T any] struct {
	Value T
	// Propagation is nil where the server does not say: it had nothing to wait
	// for.
	Propagation *wire.Propagation
}

// Confirmed reports whether no node can answer by the old state any more.
func (c Changed[T]) Confirmed() bool { return c.Propagation == nil || c.Propagation.Confirmed }

// answer is what every success may hold.
type answer[T any] struct {
	Data T `json:"data"`
	Meta struct {
		NextCursor  *string           `json:"next_cursor"`
		Propagation *wire.Propagation `json:"propagation"`
	} `json:"meta"`
}

// send makes a call and reads its answer, trying again where that is safe.
func send[T any](ctx context.Context, c *conn, what call, opts ...CallOption) (answer[T], error) {
	var out answer[T]
	for _, o := range opts {
		o(&what)
	}
	if strings.Contains(what.path, "{id}") && !idShaped(what.id) {
		return out, &Error{Code: codeNotFound, Message: "not found: an id is a word, _ and 26 characters, such as key_01h455vb4pex5vsknk084sn02q"}
	}
	var payload []byte
	if what.body != nil {
		b, err := json.Marshal(what.body)
		if err != nil {
			return out, &Error{Code: codeInvalid, Message: "the request cannot be written as JSON", err: err}
		}
		payload = b
	}
	err := c.persist(ctx, &what, func() error {
		body, err := c.once(ctx, &what, payload)
		if err != nil {
			return err
		}
		out = answer[T]{}
		if err := json.Unmarshal(body, &out); err != nil {
			return &Error{Status: http.StatusOK, Code: CodeBadAnswer, Message: "the answer is not one of Halberd's", err: err}
		}
		return nil
	})
	if e, ok := errors.AsType[*Error](err); ok {
		err = e.without(append(what.asked, c.key())...)
	}
	return out, err
}

// idShaped reports whether id could be one. It keeps an id from becoming
// another path, and a secret that was taken for an id out of addresses, which
// end up in logs.
func idShaped(id string) bool {
	kind, rest, ok := strings.Cut(id, "_")
	if !ok || kind == "" || len(kind) > 8 || len(rest) != 26 {
		return false
	}
	for _, c := range []byte(kind + rest) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// once is one try: the body of a success, or an *Error.
func (c *conn) once(ctx context.Context, what *call, payload []byte) ([]byte, error) {
	u := *c.base
	u.Path += "/v1/" + strings.Replace(what.path, "{id}", what.id, 1)
	u.RawQuery = what.query.Encode()
	req, err := http.NewRequestWithContext(ctx, what.method, u.String(), bytes.NewReader(payload))
	if err != nil {
		return nil, asError(err)
	}
	if payload == nil {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("X-API-Key", c.key())
	if what.idempotency != "" {
		req.Header.Set("Idempotency-Key", what.idempotency)
	}
	if what.version != 0 {
		req.Header.Set("If-Match", fmt.Sprintf(`"%d"`, what.version))
	}
	if what.prefer != "" {
		req.Header.Set("Prefer", what.prefer)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(c.base.Host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, unreachable(c.base.Host, err)
	}
	if len(body) > maxAnswer {
		return nil, &Error{Status: resp.StatusCode, Code: CodeBadAnswer, Message: "the answer is too long to be one of Halberd's"}
	}
	if resp.StatusCode/100 != 2 {
		return nil, refusal(resp, body, time.Now())
	}
	return body, nil
}

// unreachable takes the request's address out of net/http's error: its query
// may hold what someone searched for.
func unreachable(host string, err error) *Error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &Error{Code: CodeUnreachable, Message: "no answer from " + host + ": " + err.Error(), err: err}
}
