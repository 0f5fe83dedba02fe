package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

// ask sends a request with a key, or without where it is empty.
func ask(t *testing.T, method, url, key string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// The program runs, keeps one admin key, and knows it again after a restart.
func TestTheProgram(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var admin string
	for _, start := range []string{"first", "second"} {
		ctx, stop := context.WithCancel(t.Context())
		said, out := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, dir, "127.0.0.1:0", out) }()
		line := make([]byte, 100)
		n, err := said.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		url := strings.TrimPrefix(strings.TrimSpace(string(line[:n])), "listening on ")
		text, err := os.ReadFile(filepath.Join(dir, "admin.key"))
		if err != nil {
			t.Fatal(err)
		}
		if key := strings.TrimSpace(string(text)); admin == "" {
			admin = key
		} else if key != admin {
			t.Errorf("%s start: another admin key", start)
		}
		if at, err := os.Stat(filepath.Join(dir, "admin.key")); err != nil || at.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", at.Mode(), err)
		}
		for _, c := range []struct {
			key    string
			method string
			path   string
			want   int
		}{{admin, "GET", "/sources", 200}, {admin, "POST", "/sources", 200}, {"", "GET", "/sources", 401}, {admin, "GET", "/", 403}} {
			if got := ask(t, c.method, url+c.path, c.key); got != c.want {
				t.Errorf("%s start: %s %s: %d, want %d", start, c.method, c.path, got, c.want)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%s start: it ended with %v", start, err)
		}
	}
}

// A key that is made, used and revoked through the library.
func TestMadeUsedRevoked(t *testing.T) {
	ctx := t.Context()
	keys, err := open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	handler, err := protect(keys)
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(handler)
	defer api.Close()

	by := halberd.Root("sign-up") // the program itself, as the audit log will say
	projects, err := keys.ListProjects(ctx, by, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := keys.Create(ctx, by, halberd.NewKey{
		Name: "Ada", Project: projects.List[0].ID, Scopes: halberd.Some(halberd.MustScopes("read")),
	})
	if err != nil {
		t.Fatal(err)
	}
	key := made.Secret.Reveal() // shown to Ada, once
	if got := ask(t, "GET", api.URL+"/sources", key); got != 200 {
		t.Errorf("a key of scope read: %d", got)
	}
	if got := ask(t, "POST", api.URL+"/sources", key); got != 403 {
		t.Errorf("it writes: %d", got)
	}
	if _, err := keys.Revoke(ctx, by, made.Key.ID, "left", 0); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "GET", api.URL+"/sources", key); got != 401 {
		t.Errorf("after revoke: %d", got)
	}
}
