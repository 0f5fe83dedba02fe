package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/apidoc"
	"github.com/halberdhq/halberd/gateway"
)

// The OpenAPI document has the doors, and each answers as it says there: these
// statuses, with these codes and headers, and no others.
func TestTheDoorsAreAsTheDocumentSays(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(apidoc.Document())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := open(t, "127.0.0.1")
	good, other := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))}), s.key(halberd.NewKey{})
	for _, door := range gateway.Described() {
		at := doc.Paths.Find(door.Path)
		if at == nil || len(at.Get.Responses.Map()) != len(door.Answers) || len(at.Get.Parameters) != len(door.Query)+len(door.Takes) {
			t.Fatalf("%s is not in the document as it is described", door.Path)
		}
		spent := s.key(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Name: "default", Limit: 1, WindowSeconds: 86400}})})
		s.wants(200, door.Path+"?scopes=read", "X-Api-Key", spent)
		had := map[answer]bool{}
		for _, ask := range []struct {
			scope   string
			headers []string
			away    bool
		}{
			{"read", []string{"X-Api-Key", good}, false}, {"read", []string{"X-Api-Key", good, "Authorization", "Bearer " + other}, false},
			{"read", nil, false}, {"write", []string{"X-Api-Key", good}, false}, {"read", []string{"X-Api-Key", spent}, false},
			{"read", []string{"X-Api-Key", good}, true},
		} {
			s.away = ask.away
			res := s.ask(door.Path+"?scopes="+ask.scope, ask.headers...)
			is := answer{res.StatusCode, codeOf(t, res)}
			had[is] = true
			said := at.Get.Responses.Status(res.StatusCode)
			if said == nil {
				t.Errorf("%s: %v is not in the document", door.Path, is)
				continue
			}
			known := []string{"Date", "Content-Length", "Content-Type"}
			for name, h := range said.Value.Headers {
				known = append(known, http.CanonicalHeaderKey(name))
				if n := len(res.Header.Values(name)); h.Value.Required && n != 1 {
					t.Errorf("%s: %v has %s %d times", door.Path, is, name, n)
				}
			}
			for name := range res.Header {
				if !slices.Contains(known, name) {
					t.Errorf("%s: %v has %s, which is not in the document", door.Path, is, name)
				}
			}
		}
		s.away = false
		for _, a := range door.Answers {
			if a.Status == http.StatusOK {
				a.Codes = []halberd.Code{""}
			}
			for _, code := range a.Codes {
				if !had[answer{a.Status, code}] {
					t.Errorf("%s: nothing was answered %d %s", door.Path, a.Status, code)
				}
				delete(had, answer{a.Status, code})
			}
		}
		if len(had) > 0 {
			t.Errorf("%s: not in the document: %v", door.Path, had)
		}
	}
}

type answer struct {
	status int
	code   halberd.Code
}

// codeOf is the code of a refusal; empty where there is no body.
func codeOf(t *testing.T, res *http.Response) halberd.Code {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil || len(text) == 0 {
		return ""
	}
	var body struct {
		Error struct {
			Code halberd.Code `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	return body.Error.Code
}
