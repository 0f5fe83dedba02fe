package dialect_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

// raw sends bytes as they are and returns the first answer.
func (s *server) raw(text string) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body), res.Close}
}

// lines sends a GET with header lines as they are written.
func (s *server) lines(path string, lines ...string) answer {
	s.t.Helper()
	return s.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n")
}

func TestOneCredentialAndNoOther(t *testing.T) {
	s := serve(t)
	k1 := s.Root.Reveal()
	k2 := s.Make(halberd.NewKey{}).Secret.Reveal()
	restricted := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("verify"))}).Secret.Reveal()
	for _, path := range []string{"/v1/whoami", "/api/api-keys"} {
		for row, c := range map[string]struct {
			lines []string
			want  int
		}{
			"S3-26 Bearer":               {[]string{"Authorization: Bearer " + k1}, 200},
			"S3-26 X-API-Key":            {[]string{"X-API-Key: " + k1}, 200},
			"scheme in another case":     {[]string{"authorization: bEaReR " + k1}, 200},
			"both, equal":                {[]string{"Authorization: Bearer " + k1, "X-API-Key: " + k1}, 200},
			"A-08 both, differing":       {[]string{"Authorization: Bearer " + k1, "X-API-Key: " + k2}, 400},
			"A-08 turned round":          {[]string{"X-API-Key: " + k2, "Authorization: Bearer " + k1}, 400},
			"A-08 one good":              {[]string{"X-API-Key: nonsense", "Authorization: Bearer " + k1}, 400},
			"A-09 Authorization twice":   {[]string{"Authorization: Bearer " + k1, "Authorization: Bearer " + k1}, 400},
			"A-09 X-API-Key twice":       {[]string{"X-API-Key: " + k1, "x-api-key: " + k1}, 400},
			"A-09 twice in one line":     {[]string{"X-API-Key: " + k1 + ", " + k1}, 401},
			"A-11 X_API_KEY":             {[]string{"X_API_KEY: " + k1}, 401},
			"A-11 X-Api_Key":             {[]string{"X-Api_Key: " + k1}, 401},
			"A-11 X-API-Key-2":           {[]string{"X-API-Key-2: " + k1}, 401},
			"A-11 space before colon":    {[]string{"X-API-Key : " + k1}, 400},
			"A-12 Basic, as user":        {[]string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(k1+":"))}, 401},
			"A-12 Basic, as password":    {[]string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+k1))}, 401},
			"A-12 cookie":                {[]string{"Cookie: api_key=" + k1 + "; X-API-Key=" + k1}, 401},
			"A-12 Token":                 {[]string{"Authorization: Token " + k1}, 401},
			"A-12 no scheme":             {[]string{"Authorization: " + k1}, 401},
			"another scheme beside it":   {[]string{"Authorization: Basic eA==", "X-API-Key: " + k1}, 401},
			"nothing":                    {nil, 401},
			"empty Bearer":               {[]string{"Authorization: Bearer "}, 401},
			"empty X-API-Key":            {[]string{"X-API-Key: "}, 401},
			"empty, and a good one":      {[]string{"X-API-Key: ", "Authorization: Bearer " + k1}, 401},
			"two spaces":                 {[]string{"Authorization: Bearer  " + k1}, 401},
			"A-04 upper case":            {[]string{"X-API-Key: " + strings.ToUpper(k1)}, 401},
			"A-05 around the header":     {[]string{"X-API-Key: \t " + k1 + " \t"}, 200}, // HTTP's own white space
			"A-05 a tab for the space":   {[]string{"Authorization: Bearer\t" + k1}, 401},
			"A-05 no-break space":        {[]string{"X-API-Key: " + k1 + "\u00a0"}, 401},
			"A-05 space inside":          {[]string{"X-API-Key: " + k1[:20] + " " + k1[20:]}, 401},
			"A-05 carriage return":       {[]string{"X-API-Key: " + k1[:20] + "\r" + k1[20:]}, 400},
			"A-06 null":                  {[]string{"Authorization: Bearer null"}, 401},
			"A-06 undefined":             {[]string{"Authorization: Bearer undefined"}, 401},
			"A-06 an object":             {[]string{"Authorization: Bearer [object Object]"}, 401},
			"A-06 no space":              {[]string{"Authorization: Bearer"}, 401},
			"A-36 SQL in the credential": {[]string{"Authorization: Bearer ' OR 1=1;--"}, 401},
		} {
			t.Run(path+" "+row, func(t *testing.T) {
				if got := s.lines(path, c.lines...); got.status != c.want {
					t.Errorf("got %d %s, want %d", got.status, got.body, c.want)
				}
			})
		}
		t.Run(path+" A-12 a restricted key, either way", func(t *testing.T) {
			if path != "/api/api-keys" {
				return
			}
			for _, h := range []string{"Authorization: Bearer ", "X-API-Key: "} {
				s.lines(path, h+restricted).refuses(t, 403, "FORBIDDEN")
			}
		})
		t.Run(path+" A-10 never from the address", func(t *testing.T) {
			for _, q := range []string{"?api_key=" + k1, "?access_token=" + k1, "?key=" + k1, "/" + k1} {
				got := s.lines(path + q)
				if got.status != 401 && got.status != 404 && got.status != 405 || strings.Contains(got.body, k1) {
					t.Errorf("%s: %d %s", q, got.status, got.body)
				}
			}
			got := s.lines(path+"?api_key="+k1, "Authorization: Bearer "+k1)
			if got.status != 400 || strings.Contains(got.body, k1) {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	t.Run("A-05 a value in JSON is not trimmed", func(t *testing.T) {
		for _, key := range []string{" " + k1, k1 + " ", k1 + "\n", "\u00a0" + k1, k1[:20] + " " + k1[20:]} {
			a := s.root("POST", "/v1/api-keys/verify", `{"key":`+quoted(key)+`}`).is(t, 200)
			if a.text("data.code") != "MALFORMED" {
				t.Error(a.body)
			}
		}
	})
	t.Run("A-10 not from a form", func(t *testing.T) {
		form := "api_key=" + k1
		got := s.raw(fmt.Sprintf("POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(form), form))
		got.refuses(t, 401, "UNAUTHORIZED")
	})
	t.Run("no key is ever in the log", func(t *testing.T) {
		for _, k := range []string{k1, k2, restricted} {
			if strings.Contains(s.logs.String(), k[8:]) {
				t.Error("it is")
			}
		}
	})
}

func TestA76_NotGoodLooksOneWay(t *testing.T) {
	s := serve(t)
	admin := halberd.Some(halberd.MustScopes("admin"))
	revoked, inactive, expired, later := s.Make(halberd.NewKey{Scopes: admin}), s.Make(halberd.NewKey{Scopes: admin}),
		s.Make(halberd.NewKey{Scopes: admin, ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))}),
		s.Make(halberd.NewKey{Scopes: admin, NotBefore: s.Clock.Now().Add(72 * time.Hour)})
	s.root("DELETE", "/v1/api-keys/"+revoked.Key.ID.String(), "").is(t, 200)
	s.root("PATCH", "/v1/api-keys/"+inactive.Key.ID.String(), `{"active":false}`).is(t, 200)
	s.Clock.Pass(25 * time.Hour)
	var want string
	for name, key := range map[string]halberd.Secret{
		"malformed": halberd.NewSecret("x"), "long": halberd.NewSecret(strings.Repeat("x", 8000)), "unknown": serve(t).Root,
		"revoked": revoked.Secret, "inactive": inactive.Secret, "expired": expired.Secret, "not yet": later.Secret,
	} {
		for _, path := range []string{"/v1/whoami", "/v1/api-keys/nonsense", "/v1/api-keys/" + revoked.Key.ID.String()} {
			a := s.as(key, "GET", path, "")
			a.refuses(t, 401, "UNAUTHORIZED")
			a.header.Del("Date")
			id := a.header.Get("X-Request-Id")
			got := strings.ReplaceAll(fmt.Sprint(a.header, a.body), id, "")
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s, %s:\n%s\n%s", name, path, got, want)
			}
			if a.header.Get("WWW-Authenticate") != `Bearer realm="halberd", error="invalid_token"` {
				t.Error(a.header)
			}
		}
	}
	none := s.send(request{method: "GET", path: "/v1/whoami"})
	if none.header.Get("WWW-Authenticate") != `Bearer realm="halberd"` {
		t.Error(none.header)
	}
	denied := s.as(s.Make(halberd.NewKey{}).Secret, "POST", "/v1/api-keys", "not even JSON")
	denied.refuses(t, 403, "FORBIDDEN")
	if denied.header.Get("WWW-Authenticate") != `Bearer realm="halberd", error="insufficient_scope"` {
		t.Error(denied.header)
	}
}

// A-37 on one node, as an attacker would hold a dying key alive: the request is
// sent before the key is replaced, its body afterwards.
func TestA37_ABodyThatComesAfterTheEndOfItsKey(t *testing.T) {
	s := serve(t)
	made := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))})
	for path, body := range map[string]string{"/v1/api-keys": `{"scopes":["admin"]}`, "/v1/api-keys/verify": `{"key":"` + s.Root.Reveal() + `"}`} {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
			path, made.Secret.Reveal(), len(body))
		in := bufio.NewReader(c)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
			t.Fatalf("%v: %s", err, line) // it was let in, and its body is waited for
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		rotated, err := s.Rotate(s.Ctx(), s.Admin, made.Key.ID, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, body)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, res.Status)
		}
		made.Secret = rotated.Secret
	}
}
