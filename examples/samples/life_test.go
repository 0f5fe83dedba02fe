package samples_test

import (
	"encoding/pem"
	"net/http/httptest"
	"net/url"
	"testing"
)

// made is what a create answers.
type made struct {
	APIKey struct{ ID string }
	Key    string
}

// pipeline runs hookbase with a key and returns how it ends.
func (s *stand) pipeline(key string) int {
	s.T.Helper()
	_, _, exit := s.run([]string{"HOOKBASE_API_KEY=" + key}, "/usr/bin/bash", "-c", "hookbase sources list")
	return exit
}

func (s *stand) create(admin string) made {
	s.T.Helper()
	return decode[made](s.T, s.sample("s3/create.sh", "YOUR_API_KEY", admin), 201)
}

func (s *stand) revoke(admin, id string) {
	s.T.Helper()
	decode[struct{ Success bool }](s.T, s.sample("s3/revoke.sh", "YOUR_API_KEY", admin, "KEY_ID", id), 200)
}

// S1-16: create a new key, update the application, test, revoke the old one.
func TestS1_16_Rotation(t *testing.T) {
	s := open(t, "whr_live")
	admin := s.key("admin").Secret.Reveal()
	old := s.create(admin)
	app := old.Key
	if s.pipeline(app) != 0 {
		t.Fatal("the old key does not work")
	}
	fresh := s.create(admin)
	if s.pipeline(old.Key) != 0 || s.pipeline(fresh.Key) != 0 {
		t.Error("both keys must work while the applications are updated")
	}
	app = fresh.Key
	s.revoke(admin, old.APIKey.ID)
	if s.pipeline(app) != 0 || s.pipeline(old.Key) != 4 {
		t.Errorf("after: the new key ends with %d, the old with %d", s.pipeline(app), s.pipeline(old.Key))
	}
}

// S4-16: with one key per pipeline, revoking one leaves the others alone.
func TestS4_16_OneKeyPerPipeline(t *testing.T) {
	s := open(t, "hrdly")
	admin := s.key("admin").Secret.Reveal()
	build, release := s.create(admin), s.create(admin)
	if s.pipeline(build.Key) != 0 || s.pipeline(release.Key) != 0 {
		t.Fatal("two pipelines, two keys, and one does not work")
	}
	s.revoke(admin, build.APIKey.ID)
	if s.pipeline(build.Key) != 4 || s.pipeline(release.Key) != 0 {
		t.Errorf("after: the revoked ends with %d, the other with %d", s.pipeline(build.Key), s.pipeline(release.Key))
	}
}

// S1-29, S4-15, S0-10: a key that was lost or exposed is revoked and a new one
// created; whoever found it gets nothing.
func TestS1_29_S4_15_ALostKey(t *testing.T) {
	s := open(t, "hrdly")
	admin := s.key("admin").Secret.Reveal()
	lost := s.create(admin)
	s.revoke(admin, lost.APIKey.ID)
	for _, language := range languages {
		s.uses(language, lost.Key, 401)
	}
	if fresh := s.create(admin); fresh.APIKey.ID == lost.APIKey.ID || s.pipeline(fresh.Key) != 0 {
		t.Error("the new key does not work")
	}
}

// S1-20, S1-22: the API answers on a domain of one's own, over https, whatever
// its name is.
func TestS1_20_ADomainOfOnesOwn(t *testing.T) {
	s := open(t, "hb_live")
	need(t, "curl", "/usr/bin/curl", "--version")
	export := replaced(t, "s1/export.sh", "YOUR_API_KEY", s.key("read").Secret.Reveal())
	asked := func(host string) {
		t.Helper()
		script := export + replaced(t, "s1/curl.sh", "https://api.example.com", host, "endpoint", "api/engagements")
		if got := decode[struct{ Engagements []any }](t, curled(t, s.must("/usr/bin/bash", "-c", script)), 200); len(got.Engagements) != 3 {
			t.Errorf("%s: %v", host, got)
		}
	}
	for _, host := range []string{"api.yourdomain.com", "keys.internal", "xn--bcher-kva.example"} {
		s.curlrc("silent", "show-error", `write-out = "\n%{http_code}"`, `connect-to = "`+host+`:80:127.0.0.1:`+s.port()+`"`)
		asked("http://" + host)
	}

	// The placeholder itself is a domain that this certificate is good for.
	secure := httptest.NewTLSServer(s.handler)
	defer secure.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	u, err := url.Parse(secure.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.curlrc("silent", "show-error", `write-out = "\n%{http_code}"`,
		`cacert = "`+s.write("authority.pem", string(authority))+`"`, `connect-to = "api.example.com:443:127.0.0.1:`+u.Port()+`"`)
	asked("https://api.example.com")
}
