package apidoc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// page is Swagger UI on our document. Its scripts are not ours, so the page is
// an origin of its own (`sandbox`): it can read no cookie, no storage and no
// page of this server. It asks for no key either: trying calls out is off.
type page struct {
	assets http.Handler
	html   []byte
	policy string
}

// assets are the files that the page asks for.
const assets = "swagger-ui.css swagger-ui-bundle.js swagger-ui-standalone-preset.js favicon-16x16.png favicon-32x32.png"

func newPage() *page {
	ui := v5emb.NewWithConfig(swgui.Config{
		HideCurl: true,
		SettingsUI: map[string]string{
			"layout":                 `"BaseLayout"`, // without the bar that loads other documents
			"deepLinking":            "false",        // a sandboxed page may not rewrite its address
			"supportedSubmitMethods": "[]",
			"docExpansion":           `"list"`,
			"plugins":                `[() => ({components: {authorizeBtn: () => null, authorizeOperationBtn: () => null}})]`,
		},
	})("Halberd API", "/openapi.json", "/docs/")
	html := capture(ui, "/docs/")
	return &page{assets: ui, html: html, policy: strings.Join([]string{
		"sandbox allow-scripts",
		"default-src 'none'",
		"script-src 'self' " + strings.Join(inlineScripts(html), " "),
		"style-src 'self' 'unsafe-inline'", // Swagger UI sets style attributes
		"img-src 'self' data:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")}
}

// ServeHTTP serves the page, or one of its files.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	file := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/docs"), "/")
	switch {
	case file == "":
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		_, _ = w.Write(p.html)
	case !slices.Contains(strings.Fields(assets), file):
		http.NotFound(w, r)
	default:
		p.assets.ServeHTTP(w, r)
	}
}

// inlineScripts are the CSP sources of the scripts inside html.
func inlineScripts(html []byte) []string {
	var out []string
	for {
		_, rest, found := bytes.Cut(html, []byte("<script>"))
		if !found {
			return out
		}
		script, after, _ := bytes.Cut(rest, []byte("</script>"))
		sum := sha256.Sum256(script)
		out = append(out, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		html = after
	}
}

// capture is what h answers to a request for at.
func capture(h http.Handler, at string) []byte {
	r, err := http.NewRequest(http.MethodGet, at, http.NoBody) //nolint:noctx // it goes nowhere
	if err != nil {
		panic(err) // at is a constant
	}
	w := &memory{header: http.Header{}}
	h.ServeHTTP(w, r)
	return w.Bytes()
}

// memory is an answer kept instead of sent.
type memory struct {
	bytes.Buffer
	header http.Header
}

func (m *memory) Header() http.Header { return m.header }
func (m *memory) WriteHeader(int)     {}
