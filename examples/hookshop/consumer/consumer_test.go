package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd/examples/hookshop/consumer"
)

const key = "whr_live_no_real_key"

// api answers with the given statuses, one after the other and the last for
// ever, and asks to wait.
func api(t *testing.T, retryAfter string, statuses ...int) (c *consumer.Caller, calls *int, waits *[]time.Duration) {
	t.Helper()
	calls, waits = new(int), new([]time.Duration)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			t.Errorf("Authorization: %q", r.Header.Get("Authorization"))
		}
		status := statuses[min(*calls, len(statuses)-1)]
		*calls++
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"error":{"message":"no \u001b[2Jthanks"}}`)
	}))
	t.Cleanup(s.Close)
	c, err := consumer.New(s.URL, key, "API_KEY")
	if err != nil {
		t.Fatal(err)
	}
	c.Wait = func(_ context.Context, d time.Duration) error { *waits = append(*waits, d); return nil }
	return c, calls, waits
}

// S1-25: after a 429 the pauses double, are never alike for everyone, and hold
// what the API asked for.
func TestS1_25_PausesGrow(t *testing.T) {
	c, calls, waits := api(t, "", 429, 429, 429, 200)
	var out any
	if err := c.Get(t.Context(), "/api/sources", &out); err != nil || *calls != 4 {
		t.Fatalf("%v after %d calls", err, *calls)
	}
	for i, d := range *waits {
		full := 500 * time.Millisecond << i
		if d < full/2 || d >= full {
			t.Errorf("pause %d is %s, want %s to %s", i+1, d, full/2, full)
		}
	}
	c, _, waits = api(t, "7", 429, 200)
	if err := c.Post(t.Context(), "/api/sources", map[string]string{}, &out); err != nil {
		t.Fatal(err)
	}
	if d := (*waits)[0]; d < 7*time.Second || d > 8*time.Second {
		t.Errorf("asked to wait 7 s, waited %s", d)
	}
	c, _, waits = api(t, time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat), 429, 200)
	if err := c.Get(t.Context(), "/api/sources", &out); err != nil {
		t.Fatal(err)
	}
	if d := (*waits)[0]; d < 25*time.Second || d > 31*time.Second {
		t.Errorf("asked to wait until a date in 30 s, waited %s", d)
	}
}

func TestTriesAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		retryAfter string
		method     string
		status     int
		calls      int
		exit       int
	}{
		"too often":            {"1", "GET", 429, 5, consumer.ExitRateLimited},
		"too long":             {"3600", "GET", 429, 1, consumer.ExitRateLimited},
		"absurd":               {"99999999999999999999", "GET", 429, 5, consumer.ExitRateLimited},
		"away, nothing done":   {"1", "GET", 503, 5, consumer.ExitUnavailable},
		"away, something done": {"1", "POST", 503, 1, consumer.ExitUnavailable},
		"broken":               {"", "GET", 500, 1, consumer.ExitFailure},
		"no key":               {"", "GET", 401, 1, consumer.ExitAuth},
		"no right":             {"", "GET", 403, 1, consumer.ExitAuth},
		"nothing there":        {"", "GET", 404, 1, consumer.ExitNotFound},
		"nonsense":             {"", "GET", 400, 1, consumer.ExitUsage},
		"elsewhere":            {"", "GET", 302, 1, consumer.ExitFailure},
	} {
		t.Run(name, func(t *testing.T) {
			caller, calls, _ := api(t, c.retryAfter, c.status)
			var out any
			err := caller.Get(t.Context(), "/x", &out)
			if c.method == "POST" {
				*calls = 0
				err = caller.Post(t.Context(), "/x", 1, &out)
			}
			if consumer.Exit(err) != c.exit || *calls != c.calls {
				t.Errorf("%v: exit %d after %d calls, want %d after %d", err, consumer.Exit(err), *calls, c.exit, c.calls)
			}
			if strings.ContainsRune(err.Error(), '\x1b') || strings.Contains(err.Error(), key) {
				t.Errorf("says %q", err)
			}
		})
	}
}

// An interrupted wait ends the call.
func TestAnInterruptEndsTheWait(t *testing.T) {
	c, calls, _ := api(t, "", 429)
	c.Wait = func(context.Context, time.Duration) error { return context.Canceled }
	var out any
	if err := c.Get(t.Context(), "/x", &out); consumer.Exit(err) != consumer.ExitInterrupted || *calls != 1 {
		t.Errorf("%v after %d calls", err, *calls)
	}
}

// S1-22: https only, except on this very machine; and what cannot be a key is
// not sent.
func TestS1_22_WhatIsNotSent(t *testing.T) {
	for _, c := range []struct {
		address, key string
		exit         int
	}{
		{"https://api.example.com", key, 0},
		{"http://127.0.0.1:8081", key, 0},
		{"http://[::1]:8081/below", key, 0},
		{"http://localhost", key, 0},
		{"http://api.example.com", key, consumer.ExitUsage},
		{"http://localhost.example.com", key, consumer.ExitUsage},
		{"http://10.0.0.1", key, consumer.ExitUsage},
		{"ftp://api.example.com", key, consumer.ExitUsage},
		{"https://user@api.example.com", key, consumer.ExitUsage},
		{"api.example.com", key, consumer.ExitUsage},
		{"https://api.example.com", "", consumer.ExitAuth},
		{"https://api.example.com", "${API_KEY}", consumer.ExitAuth},
		{"https://api.example.com", "$API_KEY", consumer.ExitAuth},
		{"https://api.example.com", key + "\n", consumer.ExitAuth},
		{"https://api.example.com", "“" + key + "”", consumer.ExitAuth},
	} {
		made, err := consumer.New(c.address, c.key, "API_KEY")
		if consumer.Exit(err) != c.exit {
			t.Errorf("%s with %q: %v", c.address, c.key, err)
		}
		if err != nil && strings.Contains(err.Error(), key) || strings.Contains(fmt.Sprintf("%v %+v %#v", made, made, made), key) {
			t.Errorf("%s with %q shows the key: %v %v", c.address, c.key, err, made)
		}
	}
}

// The key does not follow a redirect.
func TestTheKeyStaysWhereItBelongs(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer thief.Close()
	s := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	c, err := consumer.New(s.URL, key, "API_KEY")
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := c.Get(t.Context(), "/x", &out); err == nil {
		t.Error("no error")
	}
}

func TestNobodyThere(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	c, err := consumer.New(s.URL, key, "API_KEY")
	if err != nil {
		t.Fatal(err)
	}
	var out any
	err = c.Get(t.Context(), "/x?secret", &out)
	if consumer.Exit(err) != consumer.ExitUnavailable || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if consumer.Exit(errors.New("another")) != consumer.ExitFailure || consumer.Exit(nil) != 0 {
		t.Error("exits")
	}
}
