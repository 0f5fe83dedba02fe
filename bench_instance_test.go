package halberd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// instance opens a Service on a SQLite folder, as the server does.
func instance(b testing.TB, dir string) (*halberd.Service, halberd.Secret) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), dir, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := halberd.New(b.Context(), store, halberd.Options{})
	if err != nil {
		b.Fatal(err)
	}
	admin := filepath.Join(dir, "admin.key")
	if _, err := s.FirstStart(b.Context(), func(k halberd.Secret) error {
		return os.WriteFile(admin, []byte(k.Reveal()), 0o600)
	}); err != nil {
		b.Fatal(err)
	}
	root, err := os.ReadFile(admin)
	if err != nil {
		b.Fatal(err)
	}
	return s, halberd.NewSecret(strings.TrimSpace(string(root)))
}

// fill puts n keys into a new folder, straight through the engine, and closes
// it. It returns 10,000 of their secrets, or all if there are fewer. A lean
// folder has no indexes for lists, which neither a start nor a check reads and
// which are most of the work.
func fill(b testing.TB, dir string, n int, lean bool) (some []halberd.Secret) {
	b.Helper()
	ctx := b.Context()
	s, root := instance(b, dir)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if lean {
		drop(b, filepath.Join(dir, "halberd.db"))
	}
	store, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if s, err = halberd.New(ctx, store, halberd.Options{}); err != nil {
		b.Fatal(err)
	}
	by, err := s.Authenticate(ctx, root, halberd.Request{})
	if err != nil {
		b.Fatal(err)
	}
	ps, err := s.ListProjects(ctx, by, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now().Add(-time.Duration(n) * time.Second).Unix()
	batch := make([]halberd.KeyRecord, 0, max(10_000, n/20))
	for at := 0; at < n; {
		batch = batch[:0]
		for ; at < n && len(batch) < cap(batch); at++ {
			r := halberd.KeyRecord{
				ID: halberd.NewKeyID(), Organization: by.Organization(), Project: ps.List[0].ID, State: halberd.StateActive,
				Name: fmt.Sprintf("Production backend %07d", at*7919%n), ExternalID: fmt.Sprint("customer ", at%1000),
				Scopes: "read write", Policy: "{}", Detail: `{"created_by":"` + by.Ref() + `"}`, Version: 1,
				CreatedAt: began + int64(at), ExpiresAt: began + int64(n)*3 - int64(at%5)*int64(at),
			}
			secret := halberd.MintForTest("hb_live")
			if at%max(1, n/10_000) == 0 {
				some = append(some, secret)
			}
			s.SealForTest(&r, secret)
			batch = append(batch, r)
		}
		// In the order of the one index that is random: its pages are written
		// once a batch, not once a key.
		slices.SortFunc(batch, func(x, y halberd.KeyRecord) int { return bytes.Compare(x.Digest[:], y.Digest[:]) })
		err := store.Update(ctx, func(tx halberd.Tx) error {
			for i := range batch {
				if err := tx.InsertKey(batch[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return some
}

// drop takes the indexes of lists out of a database, but for those that alerts ask.
func drop(b testing.TB, file string) {
	b.Helper()
	const list = `SELECT 'DROP INDEX ' || name || ';' FROM sqlite_master
		WHERE type = 'index' AND (name LIKE 'keys_of_%' OR name = 'keys_by_external_id')
		AND name NOT IN ('keys_of_organization_by_expiry', 'keys_of_organization_by_id')`
	out, err := exec.CommandContext(b.Context(), "sqlite3", file, list).Output()
	if err == nil {
		out, err = exec.CommandContext(b.Context(), "sqlite3", file, string(out)).CombinedOutput()
	}
	if err != nil {
		b.Fatalf("%s: %v", out, err)
	}
}

// BenchmarkReady measures the time from starting `hb serve` on a million keys
// to the first 200 of /readyz.
func BenchmarkReady(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	fill(b, dir, 1_000_000, false)
	hb := filepath.Join(b.TempDir(), "hb")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", hb, "./cmd/hb").CombinedOutput(); err != nil {
		b.Fatalf("%s: %v", out, err)
	}
	var took []time.Duration
	for b.Loop() {
		took = append(took, untilReady(b, hb, dir))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds(), "s/ready-median")
	b.ReportMetric(took[len(took)-1].Seconds(), "s/ready-most")
	b.ReportMetric(0, "ns/op")
}

func untilReady(b *testing.B, hb, dir string) time.Duration {
	b.Helper()
	const listen = "127.0.0.1:18099"
	cmd := exec.CommandContext(b.Context(), hb, "serve", "--data", dir, "--listen", listen, "--management-limit", "0")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HALBERD_") })
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if time.Since(began) > time.Minute {
			b.Fatalf("not ready after a minute: %s", log.String())
		}
		if status(b.Context(), "http://"+listen+"/readyz") == http.StatusOK {
			break
		}
	}
	return time.Since(began)
}

func status(ctx context.Context, url string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// BenchmarkListPages measures a page of a million keys at the beginning and
// deep inside, in every order.
func BenchmarkListPages(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	fill(b, dir, 1_000_000, false)
	s, root := instance(b, dir)
	defer func() { _ = s.Close() }()
	by, err := s.Authenticate(b.Context(), root, halberd.Request{})
	if err != nil {
		b.Fatal(err)
	}
	for _, sort := range []halberd.KeySort{
		{}, {By: halberd.SortName}, {By: halberd.SortExpires}, {By: halberd.SortLastUsed}, {By: halberd.SortExpires, Descending: true},
	} {
		b.Run(fmt.Sprintf("sort=%s,desc=%v", sort.By, sort.Descending), func(b *testing.B) {
			q := halberd.KeyQuery{Sort: sort, Page: halberd.Page{Limit: 1000}}
			for range 400 { // 400,000 keys deep
				page, err := s.List(b.Context(), by, q)
				if err != nil {
					b.Fatal(err)
				}
				q.Page.Cursor = page.Next
			}
			var first, deep []time.Duration
			q.Page.Limit = 100
			for b.Loop() {
				for _, c := range []struct {
					cursor string
					into   *[]time.Duration
				}{{"", &first}, {q.Page.Cursor, &deep}} {
					q := q
					q.Page.Cursor = c.cursor
					began := time.Now()
					if page, err := s.List(b.Context(), by, q); err != nil || len(page.List) != 100 {
						b.Fatal(len(page.List), err)
					}
					*c.into = append(*c.into, time.Since(began))
				}
			}
			slices.Sort(first)
			slices.Sort(deep)
			b.ReportMetric(float64(first[len(first)/2].Microseconds())/1000, "ms/first")
			b.ReportMetric(float64(deep[len(deep)/2].Microseconds())/1000, "ms/deep")
			b.ReportMetric(float64(deep[len(deep)/2])/float64(first[len(first)/2]), "x-first")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkCreate measures creates over HTTP on SQLite, each on the disk
// before it is answered: 64 clients beside one, in turns of the same run.
func BenchmarkCreate(b *testing.B) {
	s, root := instance(b, filepath.Join(b.TempDir(), "data"))
	defer func() { _ = s.Close() }()
	by, err := s.Authenticate(b.Context(), root, halberd.Request{})
	if err != nil {
		b.Fatal(err)
	}
	ps, err := s.ListProjects(b.Context(), by, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.UpdateProject(b.Context(), by, ps.List[0].ID, halberd.ProjectPatch{KeyCeiling: halberd.Some(1_000_000)}, 0); err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(enveloped.Handler(s, slog.New(slog.DiscardHandler)))
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	run := func(clients int, during time.Duration) float64 {
		var made atomic.Int64
		var all sync.WaitGroup
		began := time.Now()
		for range clients {
			all.Go(func() {
				for time.Since(began) < during {
					if err := create(b.Context(), client, web.URL, root); err != nil {
						b.Error(err)
						return
					}
					made.Add(1)
				}
			})
		}
		all.Wait()
		return float64(made.Load()) / time.Since(began).Seconds()
	}
	var one, many []float64
	for b.Loop() {
		one = append(one, run(1, 500*time.Millisecond))
		many = append(many, run(64, 500*time.Millisecond))
	}
	slices.Sort(one)
	slices.Sort(many)
	b.ReportMetric(one[len(one)/2], "creates/s-1")
	b.ReportMetric(many[len(many)/2], "creates/s-64")
	b.ReportMetric(many[len(many)/2]/one[len(one)/2], "x-one-client")
	b.ReportMetric(0, "ns/op")
}

func create(ctx context.Context, c *http.Client, url string, key halberd.Secret) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/api-keys", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key.Reveal())
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusCreated {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return errors.Join(err, res.Body.Close())
}
