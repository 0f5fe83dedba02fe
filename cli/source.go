package cli

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/halberdhq/halberd/client"
)

const defaultURL = "http://127.0.0.1:8080"

// source is an address and the key for it. They come from one place: a key is
// never sent to an address that another place names.
type source struct {
	at   *url.URL
	key  string
	from string // for people: "HB_API_KEY" or "profile prod"
}

// source finds the address and the key: HB_URL with HB_API_KEY, where either
// keeps every profile unread; else the profile of --profile, HB_PROFILE or the
// profiles file. --url names the address of a key that came without one;
// otherwise it must be the address that the key belongs to.
func (a *app) source() (source, error) {
	asked, err := a.address("--url", a.url)
	if err != nil {
		return source{}, err
	}
	key, from, err := a.environmentKey()
	if err != nil {
		return source{}, err
	}
	at, err := a.address("HB_URL", a.getenv("HB_URL"))
	if err != nil {
		return source{}, err
	}
	if at == nil && key == "" {
		return a.profileSource(asked)
	}
	if key == "" {
		return source{}, noAccess("HB_URL is set and HB_API_KEY is not: they belong together, and with either of them no profile is read.\n" +
			"    Set HB_API_KEY (or HB_API_KEY_FILE), or unset HB_URL to use a profile.")
	}
	if a.profile != "" {
		a.say("hb: %s is set, so the profile %s is not read", from, a.profile)
	}
	switch {
	case asked != nil && at != nil && asked.String() != at.String():
		return source{}, usage("--url is not the address in HB_URL (%s), and %s belongs to that one", at, from)
	case asked != nil:
		at = asked
	case at == nil:
		at, _ = client.ParseURL(defaultURL)
	}
	return source{at, key, from}, nil
}

// profileSource is the source that a profile holds.
func (a *app) profileSource(asked *url.URL) (source, error) {
	book, err := a.readProfiles()
	if err != nil {
		return source{}, err
	}
	name := book.pick(a.profile, a.getenv("HB_PROFILE"))
	if name == "" {
		return source{}, noAccess("there is no API key to use.\n" +
			"    Set HB_API_KEY (and HB_URL), or run `hb login`.")
	}
	p, ok := book.Profiles[name]
	if !ok {
		return source{}, noAccess("there is no profile %s; `hb profile list` shows those there are", name)
	}
	at, err := client.ParseURL(p.URL)
	if err != nil {
		return source{}, usage("profile %s: %v", name, err)
	}
	if asked != nil && asked.String() != at.String() {
		return source{}, usage("--url is not the address of the profile %s (%s), and its key goes nowhere else.\n"+
			"    Set HB_API_KEY for the other address, or run `hb login --url … --profile …`.", name, at)
	}
	key, err := a.findKey(name, at.String(), p.Store)
	return source{at, key, "the profile " + name}, err
}

// environmentKey is the key of HB_API_KEY, or of the file that HB_API_KEY_FILE
// names. The empty key is none.
func (a *app) environmentKey() (key, from string, err error) {
	key, path := a.getenv("HB_API_KEY"), a.getenv("HB_API_KEY_FILE")
	switch {
	case key != "" && path != "":
		return "", "", usage("HB_API_KEY and HB_API_KEY_FILE are both set; unset one")
	case key != "":
		return key, "HB_API_KEY", nil
	case path == "":
		return "", "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", "", noAccess("HB_API_KEY_FILE: %v", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	if key, err = oneLine(f); err != nil {
		return "", "", noAccess("HB_API_KEY_FILE (%s): %v", path, err)
	}
	return key, "HB_API_KEY_FILE", nil
}

// address reads an address that a person gave; nil when they gave none.
func (a *app) address(name, text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := client.ParseURL(strings.TrimSpace(text))
	if err != nil {
		return nil, usage("%s: %v", name, err)
	}
	return u, nil
}

// connect is the client that a verb uses.
func (a *app) connect() (*client.Client, error) {
	s, err := a.source()
	if err != nil {
		return nil, err
	}
	return a.dial(s)
}

func (a *app) dial(s source) (*client.Client, error) {
	if client.Exposed(s.at) && !a.quiet {
		a.say("hb: warning: %s is not encrypted, so whoever sits on the way can read the key; use https", s.at)
	}
	c, err := client.New(s.at.String(), s.key, client.PlainHTTP(), client.UserAgent("hb/"+a.version), client.OnWait(a.sayWait))
	if err != nil {
		return nil, noAccess("%s: %v", s.from, err)
	}
	return c, nil
}

// sayWait says why nothing happens for a while. Waits for a server that does not
// answer are short, and end in an error that says it.
func (a *app) sayWait(wait time.Duration, why *client.Error) {
	if !a.quiet && (why.Status == http.StatusTooManyRequests || why.Status == http.StatusServiceUnavailable) {
		a.say("hb: %s (%s): trying again in %s", why.Message, why.Code, wait.Round(100*time.Millisecond))
	}
}
