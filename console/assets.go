package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"
)

// assets serves the stylesheet, the script and the mark, each under a name of
// its content's own (?v=…), so that browsers keep them and never an old one. They
// are compressed once, here.
func assets(files fs.FS) (http.Handler, error) {
	small := map[string][]byte{}
	names, err := fs.Glob(files, "*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		whole, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if small[name], err = zipped(whole, gzip.BestCompression); err != nil {
			return nil, err
		}
	}
	server := http.StripPrefix("/assets/", http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		if r.URL.RawQuery != "" {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			h.Set("Cache-Control", "no-cache")
		}
		h.Add("Vary", "Accept-Encoding")
		name := strings.TrimPrefix(r.URL.Path, "/assets/")
		if b, ok := small[name]; ok && r.Header.Get("Range") == "" && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Type", types[name[strings.LastIndexByte(name, '.')+1:]])
			_, _ = w.Write(b)
			return
		}
		server.ServeHTTP(w, r)
	}), nil
}

// types are what the assets are, by their endings.
var types = map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

func zipped(b []byte, level int) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, level)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	return out.Bytes(), err
}

// asset is the address of an embedded file, for templates.
func asset(name string) (string, error) {
	b, err := fs.ReadFile(embedded, "assets/"+name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return "/assets/" + name + "?v=" + hex.EncodeToString(sum[:6]), nil
}
