package halberd_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// somebody is a member who signs in by password.
func somebody(t *testing.T, w *fixture.World, email string) halberd.Signed {
	t.Helper()
	in, err := w.InviteMember(t.Context(), w.Admin, halberd.NewMember{Email: email, Role: halberd.ScopeAdmin})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Accept(t.Context(), in.Secret, "", pass, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// 6.9: guessing at sign-in is throttled for an email, and an email that nobody
// has is answered like one that somebody has.
func TestGuessingAPasswordIsThrottledPerEmail(t *testing.T) {
	for what, known := range map[string]bool{"a member": true, "nobody": false} {
		t.Run(what, func(t *testing.T) {
			w := fixture.New(t)
			if known {
				somebody(t, w, "ada@example.com")
			}
			somebody(t, w, "bo@example.com")
			from := byte(0)
			try := func(email, password string) error {
				from++ // each from elsewhere
				_, err := w.SignIn(t.Context(), email, password, halberd.Request{ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, from})})
				return err
			}
			for i := range 10 {
				wantCode(t, fmt.Sprint("guess ", i), try("ada@example.com", "a wrong password"), halberd.CodeUnauthorized)
			}
			err := try("Ada@Example.com", pass) // even a right one
			if e, ok := errors.AsType[*halberd.Error](err); !ok || e.Code != halberd.CodeRateLimited || e.RetryAfter != 30*time.Second ||
				e.Message != "too many tries to sign in failed: wait 30 s, then try again" {
				t.Fatalf("beyond the bound: %#v", err)
			}
			if err := try("bo@example.com", pass); err != nil {
				t.Errorf("another email: %v", err)
			}
			w.Clock.Pass(30*time.Second - 1)
			wantCode(t, "a moment before", try("ada@example.com", pass), halberd.CodeRateLimited)
			w.Clock.Pass(1)
			want := halberd.CodeUnauthorized
			if known {
				want = ""
			}
			wantCode(t, "after that while", try("ada@example.com", pass), want)
		})
	}
}

func TestGuessingPasswordsIsThrottledPerAddress(t *testing.T) {
	w := fixture.New(t)
	somebody(t, w, "ada@example.com")
	here, elsewhere := halberd.Request{ClientIP: netip.MustParseAddr("2001:db8::1")}, halberd.Request{ClientIP: netip.MustParseAddr("2001:db8:0:1::1")}
	for i := range 60 {
		_, err := w.SignIn(t.Context(), fmt.Sprintf("person%d@example.com", i), "a common password", here)
		wantCode(t, "a guess", err, halberd.CodeUnauthorized)
	}
	neighbor := halberd.Request{ClientIP: netip.MustParseAddr("2001:db8::ffff")}
	_, err := w.SignIn(t.Context(), "ada@example.com", pass, neighbor)
	wantCode(t, "from the same network", err, halberd.CodeRateLimited)
	_, err = w.SignIn(t.Context(), "ada@example.com", pass, elsewhere)
	wantCode(t, "from elsewhere", err, "")
	w.Clock.Pass(2 * time.Second)
	_, err = w.SignIn(t.Context(), "ada@example.com", pass, here)
	wantCode(t, "two seconds later", err, "")
}

// Who signs in rightly is never slowed, however often.
func TestSigningInRightlyIsNotThrottled(t *testing.T) {
	w := fixture.New(t)
	somebody(t, w, "ada@example.com")
	for range 100 {
		if _, err := w.SignIn(t.Context(), "ada@example.com", pass, halberd.Request{}); err != nil {
			t.Fatal(err)
		}
	}
}

// Guesses that come at once do not slip through together.
func TestGuessesAtOnceAreCounted(t *testing.T) {
	w := fixture.New(t)
	somebody(t, w, "ada@example.com")
	var looked atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, err := w.SignIn(t.Context(), "ada@example.com", "a wrong password", halberd.Request{})
			if halberd.CodeOf(err) == halberd.CodeUnauthorized {
				looked.Add(1)
			}
		})
	}
	all.Wait()
	if n := looked.Load(); n > 10 {
		t.Errorf("%d guesses were looked at, at most 10 may be", n)
	}
}

// Whoever found an open session does not find out the password there.
func TestGuessingOnesFormerPasswordIsThrottled(t *testing.T) {
	w := fixture.New(t)
	s := somebody(t, w, "ada@example.com")
	by, err := w.MemberActor(s.Member.ID, s.Epoch, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_, err := w.ChangePassword(t.Context(), by, "a wrong password", "another good password")
		wantCode(t, "a guess", err, halberd.CodeInvalid)
	}
	_, err = w.ChangePassword(t.Context(), by, pass, "another good password")
	wantCode(t, "beyond the bound", err, halberd.CodeRateLimited)
	w.Clock.Pass(30 * time.Second)
	_, err = w.ChangePassword(t.Context(), by, pass, "another good password")
	wantCode(t, "after that while", err, "")
}
