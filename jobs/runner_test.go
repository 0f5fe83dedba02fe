package jobs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/pgtest"
)

var postgres pgtest.Shared

func TestMain(m *testing.M) {
	m.Run()
	postgres.Stop()
}

// onEach runs a test with jobs on SQLite and on PostgreSQL.
func onEach(t *testing.T, test func(t *testing.T, db Database)) {
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(filepath.Join(t.TempDir(), "jobs.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, PostgreSQL(postgres.Empty(t), halberd.Secret{})) })
}

func start(t *testing.T, o Options) *Runner {
	t.Helper()
	r, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// eventually waits for something that happens beside the test.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not in 30 s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestTasksRunAtTheStartAndWhenTheyAreDue(t *testing.T) {
	onEach(t, func(t *testing.T, db Database) {
		var good, bad atomic.Int64
		r := start(t, Options{Database: db, Tasks: []Task{
			{Name: "good", Every: time.Second, Run: func(context.Context) error { good.Add(1); return nil }},
			{Name: "bad", Every: time.Second, Run: func(context.Context) error { bad.Add(1); return errors.New("no") }},
			{Name: "rare", Every: time.Hour, Run: func(context.Context) error { return nil }},
		}})
		eventually(t, "two runs of each", func() bool {
			s := r.Stats(t.Context())
			return s.Tasks["good"].Done >= 2 && s.Tasks["bad"].Failed >= 2 && s.Tasks["rare"].Done == 1
		})
		s := r.Stats(t.Context())
		if s.Tasks["good"].Failed != 0 || s.Tasks["good"].LastError != nil || s.Tasks["bad"].LastError == nil || s.Tasks["good"].LastAt.IsZero() {
			t.Errorf("%+v", s.Tasks)
		}
	})
}

// Of several nodes one leads: a task is due once, whoever runs it.
func TestTasksRunOnOneNodeAtATime(t *testing.T) {
	db := PostgreSQL(postgres.Empty(t), halberd.Secret{})
	var runs, at, most atomic.Int64
	task := Task{Name: "one", Every: time.Hour, Run: func(context.Context) error {
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		runs.Add(1)
		<-time.After(50 * time.Millisecond)
		return nil
	}}
	var all []*Runner
	for range 3 {
		all = append(all, start(t, Options{Database: db, Tasks: []Task{task}}))
	}
	eventually(t, "a run", func() bool { return runs.Load() > 0 })
	eventually(t, "nothing waits", func() bool {
		done := int64(0)
		for _, r := range all {
			done += r.Stats(t.Context()).Tasks["one"].Done
		}
		return done == runs.Load()
	})
	if runs.Load() != 1 || most.Load() != 1 {
		t.Errorf("%d runs, %d at once", runs.Load(), most.Load())
	}
}

// A task that does not end is ended, so that the next run is not kept waiting, and
// that is a failure.
func TestATaskThatHangsIsEndedAndHasFailed(t *testing.T) {
	var said lockedBuffer
	r := start(t, Options{
		Database: SQLite(filepath.Join(t.TempDir(), "jobs.db")), Log: slog.New(slog.NewTextHandler(&said, nil)),
		Tasks: []Task{{
			Name: "hangs", Every: time.Hour, Within: 10 * time.Millisecond,
			Run: func(ctx context.Context) error { <-ctx.Done(); return nil },
		}},
	})
	eventually(t, "its end", func() bool { return r.Stats(t.Context()).Tasks["hangs"].Failed == 1 })
	if got := r.Stats(t.Context()).Tasks["hangs"]; got.LastError == nil || !strings.Contains(said.String(), "it was ended after 10ms") {
		t.Errorf("%+v\n%s", got, said.String())
	}
}

func TestStopLeavesNothingBehind(t *testing.T) {
	known := goleak.IgnoreCurrent()
	r, err := Start(t.Context(), Options{Database: SQLite(filepath.Join(t.TempDir(), "jobs.db")), Tasks: []Task{
		{Name: "waits", Every: time.Hour, Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, known)
}

func TestDatabaseThatCannotBeOpened(t *testing.T) {
	for name, db := range map[string]Database{
		"no folder":  SQLite(filepath.Join(t.TempDir(), "nowhere", "jobs.db")),
		"no address": PostgreSQL("postgres://u:hunter2@[::", halberd.Secret{}),
		"nobody":     PostgreSQL("postgres://u:hunter2@127.0.0.1:1/x?connect_timeout=1", halberd.Secret{}),
	} {
		r, err := Start(t.Context(), Options{Database: db})
		if err == nil {
			_ = r.Stop()
			t.Errorf("%s: started", name)
		} else if bad := err.Error(); len(bad) == 0 || strings.Contains(bad, "hunter2") {
			t.Errorf("%s: %s", name, bad)
		}
	}
}

// A stop in the middle of a start is no error, and the log does not call it one.
func TestAStopIsNoError(t *testing.T) {
	var said lockedBuffer
	for range 5 {
		r, err := Start(t.Context(), Options{
			Database: SQLite(filepath.Join(t.TempDir(), "jobs.db")), Log: slog.New(slog.NewTextHandler(&said, nil)),
			Tasks: []Task{{Name: "tidy_nothing", Every: time.Hour, Run: func(context.Context) error { return nil }}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if text := said.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("logged:\n%s", text)
	}
}

// lockedBuffer is written to by many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
