// Package frameworks is one API in chi, in echo and in gin, each behind the same
// guard. The guard stands in front of the whole router: what it lets through,
// the router routes, and a handler finds who called in the request's context.
//
// It is a module of its own, so that Halberd requires no framework.
package frameworks

import (
	"fmt"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v5"

	"github.com/halberdhq/halberd/guard"
)

// Routes is what each route asks of a key, whatever the router.
func Routes() guard.Routes {
	return guard.Routes{
		"GET /sources":             {Scope: "read"},
		"POST /sources":            {Scope: "write"},
		"GET /sources/{id}":        {Scope: "read", Resource: "source/{id}"},
		"GET /files/{name}":        {Open: true},
		"GET /files/{name}/secret": {Scope: "admin"},
	}
}

// Chi is the API in chi.
func Chi(keys guard.Verifier) (http.Handler, error) {
	g, err := guard.New(keys, Routes(), guard.Options{})
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	answer := func(w http.ResponseWriter, r *http.Request) {
		said(w, r, chi.URLParam(r, "id")+chi.URLParam(r, "name"))
	}
	r.Get("/sources", answer)
	r.Post("/sources", answer)
	r.Get("/sources/{id}", answer)
	r.Get("/files/{name}", answer)
	r.Get("/files/{name}/secret", func(w http.ResponseWriter, r *http.Request) { said(w, r, "secret") })
	return g.Protect(r), nil
}

// Echo is the API in echo.
func Echo(keys guard.Verifier) (http.Handler, error) {
	g, err := guard.New(keys, Routes(), guard.Options{})
	if err != nil {
		return nil, err
	}
	e := echo.New()
	answer := func(c *echo.Context) error {
		said(c.Response(), c.Request(), c.Param("id")+c.Param("name"))
		return nil
	}
	e.GET("/sources", answer)
	e.POST("/sources", answer)
	e.GET("/sources/:id", answer)
	e.GET("/files/:name", answer)
	e.GET("/files/:name/secret", func(c *echo.Context) error {
		said(c.Response(), c.Request(), "secret")
		return nil
	})
	return g.Protect(e), nil
}

// Gin is the API in gin.
func Gin(keys guard.Verifier) (http.Handler, error) {
	g, err := guard.New(keys, Routes(), guard.Options{})
	if err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	answer := func(c *gin.Context) { said(c.Writer, c.Request, c.Param("id")+c.Param("name")) }
	r.GET("/sources", answer)
	r.POST("/sources", answer)
	r.GET("/sources/:id", answer)
	r.GET("/files/:name", answer)
	r.GET("/files/:name/secret", func(c *gin.Context) { said(c.Writer, c.Request, "secret") })
	return g.Protect(r), nil
}

// said answers with who called, and about what.
func said(w io.Writer, r *http.Request, about string) {
	caller := "nobody"
	if v, ok := guard.From(r.Context()); ok {
		caller = v.KeyID.String()
	}
	_, _ = fmt.Fprintf(w, "%s %q", caller, about)
}
