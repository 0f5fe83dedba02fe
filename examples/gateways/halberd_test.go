package gateways_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// halberd is a real server on a real folder.
type halberd struct {
	*process
	t       *testing.T
	dir     string
	address string // of /v1 and the HTTP doors
	grpc    string // of ext_authz
	admin   string
	more    []string // arguments, which outweigh the usual ones
}

// openHalberd starts a server that believes gateways on this machine, and
// judges by the policy of this folder.
func openHalberd(t *testing.T, more ...string) *halberd {
	t.Helper()
	h := &halberd{t: t, dir: shortDir(t), address: free(t), grpc: free(t), more: more}
	h.start()
	text, err := os.ReadFile(filepath.Join(h.dir, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	h.admin = strings.TrimSpace(string(text))
	return h
}

// start starts the server on its folder and addresses, also for another time,
// and waits until it answers checks.
func (h *halberd) start() {
	h.t.Helper()
	h.launch()
	h.eventually("being ready", func() bool { return h.readiness() == http.StatusOK })
}

func (h *halberd) readiness() int {
	a, err := tryRaw(h.address, "GET", "/readyz")
	if err != nil {
		return 0
	}
	return a.status
}

func (h *halberd) launch() {
	h.t.Helper()
	exe, err := hb()
	if err != nil {
		h.t.Fatal(err)
	}
	args := []string{"serve", "--data", h.dir, "--listen", h.address,
		"--ext-authz-listen", h.grpc, "--trusted-proxies", "127.0.0.1", "--policy", "policy.yaml"}
	h.process = run(h.t, exe, []string{"HOME=" + h.dir}, append(args, h.more...)...)
}

// startSlowly is start for a server that does not get on with loading its keys
// until loaded is called: it reads its pepper from a pipe.
func (h *halberd) startSlowly() (loaded func()) {
	h.t.Helper()
	path := filepath.Join(h.dir, "pepper")
	text, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		h.t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.launch()
	h.eventually("starting", func() bool { return h.readiness() == http.StatusServiceUnavailable })
	return func() {
		h.t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			h.t.Fatal(err)
		}
		h.eventually("being ready", func() bool { return h.readiness() == http.StatusOK })
	}
}

// key is one of the API's customers.
type key struct{ id, secret string }

func (k key) bearer() string { return "Authorization: Bearer " + k.secret }

// make makes a key of customer-7; more are further members of the body.
func (h *halberd) make(scope, more string) key { return h.makeOf("customer-7", scope, more) }

func (h *halberd) makeOf(customer, scope, more string) key {
	h.t.Helper()
	body := h.call("POST", "/v1/api-keys", fmt.Sprintf(`{"external_id":%q,"scopes":[%q]%s}`, customer, scope, more))
	var a struct {
		Data struct {
			ID     string `json:"key_id"`
			Secret string `json:"key"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Data.Secret == "" {
		h.t.Fatalf("no key in %s (%v)", body, err)
	}
	return key{a.Data.ID, a.Data.Secret}
}

func (h *halberd) revoke(k key) {
	h.t.Helper()
	h.call("DELETE", "/v1/api-keys/"+k.id, "")
}

// call is a call of /v1 by the admin that must succeed.
func (h *halberd) call(method, path, body string) []byte {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.address+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.admin)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil || res.StatusCode/100 != 2 {
		h.t.Fatalf("%s %s: %d %s (%v)", method, path, res.StatusCode, text.Bytes(), err)
	}
	return text.Bytes()
}
