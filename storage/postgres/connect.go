package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halberdhq/halberd"
)

// The bounds of everything that waits for the database.
const (
	connectTime   = 2 * time.Second         // for one connection, where the address names no other
	beginTime     = 1500 * time.Millisecond // until a call has a connection on which a transaction has begun
	turnTime      = 10 * time.Second        // until an Update is the one of its process that runs
	lockTime      = 5 * time.Second         // until it has the lock of the head
	statementTime = 15 * time.Second
	idleTime      = 10 * time.Second       // between the statements of a transaction; then the database ends it
	updateTime    = time.Minute            // for all that a transaction does before its commit
	commitTime    = 20 * time.Second       // until a commit that is still waited for is called unconfirmed: its caller is still there then
	commitLeast   = 3 * time.Second        // of it, for a change that waited long for its turn and its lock
	exchangeTime  = 10 * time.Second       // for what nodes tell each other
	startAgain    = 100 * time.Millisecond // before a start that lost the database is tried again; twice as long each time
	startAtMost   = 2 * time.Second
)

// parse reads an address. Nothing of it is in the error: it may hold a password.
func parse(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New("the database's address cannot be read: write postgres://user@host:5432/name, its special letters as %XX")
	}
	c := config.ConnConfig
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = connectTime
	}
	// A peer that is gone without a word is noticed in half a minute.
	c.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}).DialContext
	if c.ValidateConnect == nil { // of several hosts, the one that takes changes
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement // rows are read in their binary form
	set := func(name, value string) {
		if c.RuntimeParams[name] == "" {
			c.RuntimeParams[name] = value
		}
	}
	milliseconds := func(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
	set("application_name", "halberd")
	set("statement_timeout", milliseconds(statementTime))
	set("lock_timeout", milliseconds(lockTime))
	set("idle_in_transaction_session_timeout", milliseconds(idleTime))
	set("jit", "off") // it costs more than any query of ours takes
	// A page is a walk along an index with a seek for each row: what the planner
	// may think of instead grows with the table.
	set("enable_hashjoin", "off")
	set("enable_mergejoin", "off")
	c.RuntimeParams["default_transaction_isolation"] = "read committed"
	c.RuntimeParams["bytea_output"] = "hex"
	c.OnNotice = noticed
	return config, nil
}

// connect opens the pools. A connection is made when it is first needed, except
// the first of each.
func (s *Store) connect(ctx context.Context, config *pgxpool.Config, connections int) error {
	open := func(most int32, params map[string]string) (*pgxpool.Pool, error) {
		c := config.Copy()
		c.MaxConns, c.MinConns, c.MinIdleConns = most, 0, 0
		c.PingTimeout = beginTime
		maps.Copy(c.ConnConfig.RuntimeParams, params)
		p, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), c)
		if err != nil {
			return nil, errors.New("the settings of the connections are refused")
		}
		return p, p.Ping(ctx)
	}
	var err error
	if s.pool, err = open(int32(connections), nil); err != nil {
		return err
	}
	if s.control, err = open(3, nil); err != nil {
		return err
	}
	s.loose, err = open(3, map[string]string{"synchronous_commit": "off"})
	return err
}

// warned is where a connection notes that it was warned of something.
const warned = "halberd: warned"

// noticed keeps the warnings of a connection. The one that matters comes with a
// commit that reports success although its wait for a standby was cut short.
func noticed(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		c.CustomData()[warned] = n.Message
	}
}

// warning takes what the connection was last warned of; "" is nothing.
func warning(c *pgx.Conn) string {
	data := c.PgConn().CustomData()
	text, _ := data[warned].(string)
	delete(data, warned)
	return text
}

// begin acquires a connection on which text, which begins a transaction or is
// empty, has succeeded. Connections that were lost while they rested are given up
// on the way. It answers within beginTime.
//
// So are connections that lead to a primary that was replaced, which may answer
// for long: what a database that is behind what was told says is taken as it is
// only where a new connection leads to it, too.
func (s *Store) begin(ctx context.Context, pool *pgxpool.Pool, text string) (*pgxpool.Conn, error) {
	c, _, err := s.beginAt(ctx, pool, text)
	return c, err
}

// beginPresent is begin for what must not be read in, or written to, a database
// that is behind: ErrHistory.
func (s *Store) beginPresent(ctx context.Context, pool *pgxpool.Pool, text string) (*pgxpool.Conn, error) {
	c, behind, err := s.beginAt(ctx, pool, text)
	if err == nil && behind != nil {
		s.undo(c)
		return nil, behind
	}
	return c, err
}

// beginAt is begin, and says why the database is behind if it is.
func (s *Store) beginAt(ctx context.Context, pool *pgxpool.Pool, text string) (c *pgxpool.Conn, behind, err error) {
	bounded, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	for try := int32(0); ; try++ {
		told := s.follow.told.Load() // before the head is read: it may go on meanwhile
		if c, err = pool.Acquire(bounded); err == nil {
			var results []*pgconn.Result
			if results, err = c.Conn().PgConn().Exec(bounded, text+"; SELECT revision, mark FROM head").ReadAll(); err == nil {
				s.absent.at.Store(0)
				was := behind
				if behind = told.behind(results); behind == nil || was != nil {
					return c, behind, nil
				}
				s.resetPools()
			}
			_ = c.Conn().PgConn().Close(bounded) // whatever state it is in
			c.Release()
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case bounded.Err() != nil || !lost(err) || try > pool.Config().MaxConns:
			s.absent.note(err)
			return nil, nil, unavailable(err)
		}
	}
}

// behind is why a database whose head was the last of some questions does not
// continue what was told; nil: it does, or nothing was told yet.
func (told *position) behind(results []*pgconn.Result) error {
	if told == nil || len(results) == 0 {
		return nil
	}
	rows := results[len(results)-1].Rows
	if len(rows) != 1 || len(rows[0]) != 2 {
		return nil // whoever asks on finds out
	}
	var mark pgtype.UUID
	revision, err := strconv.ParseInt(string(rows[0][0]), 10, 64)
	if err = errors.Join(err, mark.Scan(string(rows[0][1]))); err != nil {
		return err
	}
	return told.continues(position{revision, mark.Bytes})
}

// resetPools gives up every connection, those in use when they are let go.
func (s *Store) resetPools() {
	s.ears.anew()
	for _, p := range []*pgxpool.Pool{s.pool, s.control, s.loose} {
		if p != nil {
			p.Reset()
		}
	}
}

// undo ends a transaction that shall leave nothing behind.
func (s *Store) undo(c *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), beginTime)
	defer cancel()
	if c.Conn().PgConn().TxStatus() != 'I' {
		_, _ = c.Conn().PgConn().Exec(ctx, "ROLLBACK").ReadAll() // a connection that fails here is not used again
	}
	c.Release()
}

// ask runs one statement outside any transaction, for as long as exchangeTime.
func (s *Store) ask(ctx context.Context, pool *pgxpool.Pool, text string, args []any, read func(*scanner)) (found bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	c, err := s.begin(bounded, pool, "")
	if err != nil {
		return false, err
	}
	defer c.Release()
	_ = warning(c.Conn())
	err = query(bounded, c.Conn(), text, args, func(s *scanner) { found = true; read(s) })
	if text := warning(c.Conn()); err == nil && text != "" {
		err = fmt.Errorf("%w: %s", errUnconfirmed, text)
	}
	if err != nil && ctx.Err() != nil {
		return false, ctx.Err()
	}
	return found, unavailable(err)
}

// absence remembers when the database could not be reached, so that Updates
// which waited for their turn meanwhile need not each find out for themselves.
type absence struct {
	at  atomic.Int64 // Unix nanoseconds; 0: it was reached since
	why atomic.Pointer[halberd.Error]
}

func (a *absence) note(err error) {
	if e, ok := errors.AsType[*halberd.Error](unavailable(err)); ok && lost(err) {
		a.why.Store(e)
		a.at.Store(time.Now().UnixNano())
	}
}

// since is why the database could not be reached after a time; nil: nobody has
// found that.
func (a *absence) since(began time.Time) error {
	if a.at.Load() > began.UnixNano() {
		return a.why.Load()
	}
	return nil
}
