package samples_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

// Each sample is written three times.
var languages = []string{".sh", ".mjs", ".py"}

type plainKey struct {
	ID, Name, Prefix, CreatedAt string
	Scopes                      []string
	LastUsedAt, ExpiresAt       *string
}

func decode[T any](t testing.TB, a answer, status int) (v T) {
	t.Helper()
	if err := json.Unmarshal(a.Body, &v); err != nil || a.Status != status {
		t.Fatalf("%d %s (%v), want %d", a.Status, a.Body, err, status)
	}
	return v
}

// S3-06 to S3-08, S3-35: list, create and revoke run as printed, in curl,
// JavaScript and Python, and the key that was made works until it is revoked.
func TestS3_35_KeysAreListedCreatedAndRevoked(t *testing.T) {
	for _, language := range languages {
		t.Run(language[1:], func(t *testing.T) {
			s := open(t, "whr_live")
			admin := s.key("admin").Secret.Reveal()

			made := decode[struct {
				APIKey plainKey
				Key    string
			}](t, s.sample("s3/create"+language, "YOUR_API_KEY", admin), 201)
			k := made.APIKey
			if k.Name != "GitHub Actions" || !slices.Equal(k.Scopes, []string{"read", "write"}) ||
				k.CreatedAt != "2024-01-15T10:30:00Z" || k.ExpiresAt == nil || *k.ExpiresAt != "2024-04-14T10:30:00Z" ||
				!strings.HasPrefix(made.Key, strings.TrimSuffix(k.Prefix, "...")) || !strings.HasPrefix(made.Key, "whr_live_") {
				t.Errorf("created %+v", made)
			}
			s.uses(language, made.Key, 200)

			listed := decode[struct{ APIKeys []plainKey }](t, s.sample("s3/list"+language, "YOUR_API_KEY", admin), 200)
			if !slices.ContainsFunc(listed.APIKeys, func(l plainKey) bool { return l.ID == k.ID && l.Prefix == k.Prefix }) {
				t.Errorf("listed %+v", listed)
			}
			revoked := decode[struct{ Success bool }](t, s.sample("s3/revoke"+language, "YOUR_API_KEY", admin, "KEY_ID", k.ID), 200)
			if !revoked.Success {
				t.Error("not a success")
			}
			s.uses(language, made.Key, 401)
		})
	}
}

// uses runs both samples of use and expects a status of each.
func (s *stand) uses(language, key string, want int) {
	s.T.Helper()
	for _, way := range []string{"s3/bearer", "s3/header"} {
		a := s.sample(way+language, "YOUR_API_KEY", key)
		switch want {
		case 200:
			got := decode[struct{ Sources []struct{ ID string } }](s.T, a, 200)
			if len(got.Sources) != 2 || got.Sources[0].ID != "src_1" {
				s.T.Errorf("%s: %s", way, a.Body)
			}
		default:
			got := decode[struct {
				Error struct{ Code, Message string }
			}](s.T, a, want)
			if got.Error.Code != "UNAUTHORIZED" || got.Error.Message != "Invalid or missing API key" {
				s.T.Errorf("%s: %s", way, a.Body)
			}
		}
	}
}

// S3-26: a key is taken from Authorization and from X-API-Key, on GET
// /api/sources, from every client.
func TestS3_26_EitherHeader(t *testing.T) {
	for _, language := range languages {
		t.Run(language[1:], func(t *testing.T) {
			s := open(t, "whr_live")
			s.uses(language, s.key("read").Secret.Reveal(), 200)
			s.uses(language, "YOUR_API_KEY", 401)
		})
	}
}

// S1-19: the header spelled X-Api-Key, with the key from the environment of
// S1-17.
func TestS1_19_TheHeaderOfTheEnvironment(t *testing.T) {
	s := open(t, "hb_live")
	need(t, "curl", "/usr/bin/curl", "--version")
	script := replaced(t, "s1/export.sh", "YOUR_API_KEY", s.key("read").Secret.Reveal()) +
		replaced(t, "s1/curl.sh", "https://api.example.com", s.url, "endpoint", "api/engagements")
	got := decode[struct{ Engagements []any }](t, curled(t, s.must("/usr/bin/bash", "-c", script)), 200)
	if len(got.Engagements) != 3 {
		t.Errorf("%v", got)
	}
}

// S4-08, S4-09: the header as printed, with a key that begins with hrdly_.
func TestS4_09_TheHeader(t *testing.T) {
	s := open(t, "hrdly")
	need(t, "curl", "/usr/bin/curl", "--version")
	key := s.key("read").Secret.Reveal()
	if !strings.HasPrefix(key, "hrdly_") {
		t.Fatal("another prefix")
	}
	header := s.write("header.txt", replaced(t, "s4/header.txt", "YOUR_API_KEY", key))
	got := decode[struct{ Reviews []any }](t, curled(t, s.must("/usr/bin/curl", "-H", "@"+header, s.url+"/api/reviews")), 200)
	if len(got.Reviews) != 1 {
		t.Errorf("%v", got)
	}
}

// S1-22, S4-17: nothing in this folder is a key, or was one.
func TestNoSampleHoldsAKey(t *testing.T) {
	err := filepath.WalkDir("..", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for word := range strings.FieldsFuncSeq(string(text), func(c rune) bool {
			return c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
		}) {
			if halberd.NewSecret(word).WellFormed() {
				t.Errorf("%s holds a key", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
