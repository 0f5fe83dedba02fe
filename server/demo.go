package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/examples/hookshop"
)

func (o Options) demo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a server with an API behind it, on sample data",
		Long: `Run a server, and an API that its keys protect, in one process and a temporary
folder: two organizations, three projects, sample keys and some traffic. It
prints five commands to try. Everything goes when it ends.`,
		Example: "  hb demo",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(errors.New("hb demo takes no arguments, only flags"))
			}
			return nil
		},
	}
	listen := cmd.Flags().String("listen", "127.0.0.1:8080", "address of the server")
	shop := cmd.Flags().String("shop", "127.0.0.1:8081", "address of the API that the keys protect")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		dir, err := os.MkdirTemp("", "halberd-demo-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		given := map[string]string{"data": dir, "listen": *listen, "log-level": "warn"}
		d := &demo{dir: dir, shop: *shop, out: cmd.OutOrStdout()}
		src := sources{flags: func(name string) (string, bool) { v, ok := given[name]; return v, ok }}
		return serve(cmd.Context(), src, o.Version, io.Discard, cmd.ErrOrStderr(), d.begin)
	}
	return cmd
}

// demo is the sample data and the API beside a server.
type demo struct {
	dir, shop string
	out       io.Writer
}

// sample is a key of the demo: its secret goes into a file of the folder.
type sample struct {
	file string
	key  halberd.NewKey
}

// begin fills a new instance, and serves the API until ctx ends.
func (d *demo) begin(ctx context.Context, in *instance, svc *halberd.Service, address string) error {
	ci, traffic, err := d.fill(ctx, svc)
	if err != nil {
		return fmt.Errorf("sample data: %w", err)
	}
	api, err := hookshop.New(svc, hookshop.Options{})
	if err != nil {
		return err
	}
	if strings.HasPrefix(address, "unix:") {
		return errors.New("the demo needs an address to listen on, not only a socket")
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", d.shop)
	if err != nil {
		return unheard("shop", err)
	}
	in.start(l, &http.Server{Handler: api, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute})
	in.serving.Go(func() { visit(ctx, svc, traffic) })

	url, shop, hb := "http://"+address, "http://"+l.Addr().String(), self()
	at := ""
	if url != "http://127.0.0.1:8080" {
		at = "HB_URL=" + quote(url) + " "
	}
	_, err = fmt.Fprintf(d.out, `Halberd is on %[1]s (its API reference on %[1]s/docs),
and an API that its keys protect on %[2]s. Both, and their data, go when you press Ctrl-C.
In a browser the first address is the console: it takes the admin key (%[4]s) once.

Try, in another terminal:

  export %[3]sHB_API_KEY=$(cat %[4]s)
  curl -i %[2]s/api/sources -H "X-API-Key: $(cat %[5]s)"
  %[6]s api-keys list
  %[6]s api-keys delete %[7]s --force
  curl -i %[2]s/api/sources -H "X-API-Key: $(cat %[5]s)"

The first curl answers 200 and the last 401. More keys are beside, in %[8]s.
`, url, shop, at, quote(filepath.Join(d.dir, adminKeyFile)), quote(filepath.Join(d.dir, "ci.key")), hb, ci, quote(d.dir))
	return err
}

// fill makes two organizations with three projects and their keys. It returns
// the key that the commands use, and those that the traffic comes with.
func (d *demo) fill(ctx context.Context, svc *halberd.Service) (ci halberd.KeyID, traffic []halberd.Secret, err error) {
	by := halberd.Root("demo")
	orgs, err := svc.ListOrganizations(ctx, by, halberd.Page{})
	if err != nil {
		return ci, nil, err
	}
	first := orgs.List[0]
	if _, err := svc.UpdateOrganization(ctx, by, first.ID, halberd.OrganizationPatch{Name: halberd.Some("Waypost")}, 0); err != nil {
		return ci, nil, err
	}
	limited := halberd.Some(halberd.RateLimits{{Limit: 100, WindowSeconds: 60}})
	hooks, err := svc.CreateProject(ctx, by, halberd.NewProject{Name: "Webhooks", Organization: first.ID, KeyPrefix: "whr_live", RateLimits: limited})
	if err != nil {
		return ci, nil, err
	}
	second, err := svc.CreateOrganization(ctx, by, "Harbor Reviews")
	if err != nil {
		return ci, nil, err
	}
	ps, err := svc.ListProjects(ctx, by, second.ID, halberd.Page{})
	if err != nil {
		return ci, nil, err
	}
	reviews := ps.List[0]
	if _, err := svc.UpdateProject(ctx, by, reviews.ID, halberd.ProjectPatch{Name: halberd.Some("Reviews"), KeyPrefix: halberd.Some("hrdly")}, 0); err != nil {
		return ci, nil, err
	}
	read, word := halberd.Some(halberd.MustScopes("read")), halberd.Some(halberd.MustScopes("write", "verify"))
	one, err := halberd.ParseResources([]string{"engagement/42"})
	if err != nil {
		return ci, nil, err
	}
	days := func(n int) halberd.Maybe[halberd.ExpiresIn] { return halberd.Some(halberd.ExpiresIn(n)) }
	for _, s := range []sample{
		{"ci.key", halberd.NewKey{Name: "CI Key", Organization: first.ID, Scopes: read, ExpiresInDays: days(90)}},
		{"backup.key", halberd.NewKey{Name: "Production Backup Script", Organization: first.ID, Scopes: word}},
		{"engagement-42.key", halberd.NewKey{Name: "Engagement 42 only", Organization: first.ID, Scopes: read, Resources: halberd.Some(one), ExpiresInDays: days(30)}},
		{"github-actions.key", halberd.NewKey{Name: "GitHub Actions", Project: hooks.ID, ExpiresInDays: days(90)}},
		{"reporting.key", halberd.NewKey{Name: "Reporting script", Project: reviews.ID, Scopes: read, ExpiresInDays: days(60)}},
		{"paused.key", halberd.NewKey{Name: "Paused integration", Organization: first.ID}},
		{"leaked.key", halberd.NewKey{Name: "Leaked in a build log", Project: hooks.ID}},
	} {
		made, err := svc.Create(ctx, by, s.key)
		if err != nil {
			return ci, nil, err
		}
		if err := writeWhole(filepath.Join(d.dir, s.file), func(f *os.File) error {
			_, err := f.WriteString(made.Secret.Reveal() + "\n")
			return err
		}); err != nil {
			return ci, nil, err
		}
		switch s.file {
		case "ci.key":
			ci = made.Key.ID
		case "paused.key":
			_, err = svc.Update(ctx, by, made.Key.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0)
		case "leaked.key":
			_, err = svc.Revoke(ctx, by, made.Key.ID, "found in a public build log", 0)
		}
		if err != nil {
			return ci, nil, err
		}
		traffic = append(traffic, made.Secret)
	}
	return ci, traffic, nil
}

// visit uses the sample keys a few times a second, rightly and wrongly, until
// ctx ends.
func visit(ctx context.Context, svc *halberd.Service, keys []halberd.Secret) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	ask := []halberd.Check{
		{Scopes: []halberd.Scope{halberd.ScopeRead}, FiltersResources: true},
		{Scopes: []halberd.Scope{halberd.ScopeRead}, Resource: "engagement/42"},
		{Scopes: []halberd.Scope{halberd.ScopeWrite}},
	}
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c := ask[n/len(keys)%len(ask)]
		c.Secret = keys[n%len(keys)]
		if _, err := svc.Verify(ctx, c); err != nil {
			return // the server is stopping
		}
	}
}
