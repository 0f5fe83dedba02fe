package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheFirstStartSaysFourLinesOfWhichTheThirdWorks(t *testing.T) {
	dir := filepath.Join(shortDir(t), "it's data") // what a shell must not trip over
	p := serve(t, dir)
	key := adminKey(t, dir)
	eventually(t, "four lines", func() bool { return strings.Count(p.out.String(), "\n") == 4 })
	lines := strings.Split(p.out.String(), "\n")
	if !regexp.MustCompile(`^Halberd listens on http://127\.0\.0\.1:\d+$`).MatchString(lines[0]) {
		t.Errorf("first line: %s", lines[0])
	}
	if !strings.Contains(lines[1], filepath.Join(dir, "admin.key")) {
		t.Errorf("second line: %s", lines[1])
	}
	cmd := exec.Command("sh", "-c", lines[2])
	cmd.Env, cmd.Dir = environ(t), t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "First admin key") {
		t.Errorf("%s\n%v\n%s", lines[2], err, out)
	}
	if want := "The console is that address in a browser: it takes the admin key once and makes you its first member"; lines[3] != want {
		t.Errorf("fourth line: %s", lines[3])
	}
	if strings.Contains(p.out.String()+p.log.String(), key) {
		t.Error("the admin key was printed")
	}
}

func TestTheFolderIsForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(shortDir(t), "data")
	serve(t, dir).create("a key")
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestALaterStartMakesNoKeyAndSaysWhereTheFirstIs(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir)
	key, m := adminKey(t, dir), p.create("kept")
	if code := p.stop(); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.log)
	}
	p = serve(t, dir)
	if adminKey(t, dir) != key {
		t.Error("the admin key changed")
	}
	p.wants(m, "VALID")
	p.stop()
	if !strings.Contains(p.out.String(), "still in") {
		t.Errorf("said: %s", p.out)
	}
	if err := os.Remove(filepath.Join(dir, "admin.key")); err != nil {
		t.Fatal(err)
	}
	p = serve(t, dir)
	p.stop()
	if got := strings.Count(p.out.String(), "\n"); got != 2 || strings.Contains(p.out.String(), "is still in") {
		t.Errorf("%d lines:\n%s", got, p.out)
	}
	if _, err := os.Stat(filepath.Join(dir, "admin.key")); err == nil {
		t.Error("a later start made an admin key")
	}
}

func TestAnAddressThatIsTakenSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().String()
	run(t, "serve", "--data", shortDir(t), "--listen", at).refused(t, 1, at, "address already in use", "another address with --listen")
	run(t, "serve", "--data", shortDir(t), "--listen", "127.0.0.1:0", "--private-listen", at).refused(t, 1, at, "with --private-listen")
	run(t, "demo", "--listen", "127.0.0.1:0", "--shop", at).refused(t, 1, at, "with --shop")
}

func TestAFolderThatCannotBeOneSaysWhatToDo(t *testing.T) {
	file := filepath.Join(shortDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "serve", "--data", file, "--listen", "127.0.0.1:0").refused(t, 1, file, "may write", "--data")
}

//
func TestASecondServerOnTheFolderIsRefused(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir)
	run(t, "serve", "--data", dir, "--listen", "127.0.0.1:0").refused(t, 1, "another hb serve runs here", dir, "stop it first", "--data")
	p.create("still serving")
	if private(t, filepath.Join(dir, "private.sock"), "/healthz").status != 200 {
		t.Error("the second server took the socket")
	}
}

//
func TestAFolderWithAPieceMissingIsRefused(t *testing.T) {
	for missing, words := range map[string][]string{
		"halberd.db": {"halberd.db", "missing", "restore a backup"},
		"pepper":     {"pepper", "missing", "copy it back"},
	} {
		t.Run(missing, func(t *testing.T) {
			dir := shortDir(t)
			p := serve(t, dir)
			p.create("a key")
			p.stop()
			if err := os.Remove(filepath.Join(dir, missing)); err != nil {
				t.Fatal(err)
			}
			run(t, "serve", "--data", dir, "--listen", "127.0.0.1:0").refused(t, 1, words...)
			if _, err := os.Stat(filepath.Join(dir, missing)); err == nil {
				t.Errorf("a new %s was made", missing)
			}
		})
	}
	t.Run("another pepper", func(t *testing.T) {
		dir, other := shortDir(t), shortDir(t)
		serve(t, dir).stop()
		serve(t, other).stop()
		pepper, err := os.ReadFile(filepath.Join(other, "pepper"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "pepper"), pepper, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "serve", "--data", dir, "--listen", "127.0.0.1:0").refused(t, 1, "hb: this pepper", "does not belong to this store")
	})
}

func TestAStopFinishesTheRequestUnderWay(t *testing.T) {
	p := serve(t, shortDir(t))
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// A request that is half here when the signal comes.
	body := `{"label":"late","project_id":null}`
	head := "POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + adminKey(t, p.dir) +
		"\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 34\r\n\r\n"
	if _, err := c.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	if n, err := c.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "100 Continue") {
		t.Fatal(string(buf[:n]), err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs("stopping")
	if _, err := c.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(buf)
	if err != nil || !strings.Contains(string(buf[:n]), "201 Created") {
		t.Errorf("%s %v", buf[:n], err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit %d\n%s", code, p.log)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p := serve(t, shortDir(t), "--shutdown-timeout", "10m")
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + adminKey(t, p.dir) +
		"\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 34\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 100)); err != nil { // 100 Continue: it is under way
		t.Fatal(err)
	}
	for range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.logs("stopping")
	}
	if code := p.wait(); code == 0 {
		t.Error("exit 0")
	}
}

func TestThePublicListenerServesNothingPrivate(t *testing.T) {
	p := serve(t, shortDir(t))
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/backup", "/doctor", "/v1", "/admin.key", "/V1/api-keys"} {
		if a := p.call("GET", path, adminKey(t, p.dir), ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/docs"} {
		if a := p.call("GET", path, "", ""); a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := p.call("GET", "/", "", ""); a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("the address that a start prints leads to %d %s", a.status, a.header.Get("Content-Type"))
	}
	if a := p.call("POST", "/healthz", "", "{}"); a.status != 405 {
		t.Errorf("POST /healthz: %d", a.status)
	}
}

func TestMetricsCountWithoutNamingAnyone(t *testing.T) {
	p := serve(t, shortDir(t))
	m := p.create("a very private label")
	p.wants(m, "VALID")
	p.revoke(m)
	p.wants(m, "REVOKED")
	p.call("BREW", "/v1/api-keys/"+m.id, "", "")
	eventually(t, "counted verdicts", func() bool {
		return !strings.Contains(private(t, filepath.Join(p.dir, "private.sock"), "/metrics").body, `halberd_checks_total{code="VALID"} 0`)
	})
	text := private(t, filepath.Join(p.dir, "private.sock"), "/metrics").body
	for _, want := range []string{
		`halberd_checks_total{code="REVOKED"} 1`,
		`halberd_http_requests_total{method="POST",route="/v1/api-keys",status="2xx"} 1`,
		`halberd_http_requests_total{method="DELETE",route="/v1/api-keys/{key_id}",status="2xx"} 1`,
		`halberd_http_requests_total{method="other",route="/v1/api-keys/{key_id}",status="4xx"} 1`,
		"halberd_ready 1", "halberd_damaged_rows 0", "halberd_revision 3", "halberd_build_info{", "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{m.id, "private label", "key_", "prj_", "org_"} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, never) && !strings.Contains(line, "{key_id}") {
				t.Errorf("%q in %s", never, line)
			}
		}
	}
}

func TestOnlyMetricsAndProfilesAreOnALoopbackPort(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	free.Close()
	p := serve(t, shortDir(t), "--private-listen", at)
	p.url = "http://" + at
	for path, want := range map[string]int{"/metrics": 200, "/debug/pprof/": 200, "/doctor": 404, "/backup": 404, "/v1/whoami": 404} {
		if a := p.call("GET", path, "", ""); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
	if a := p.call("POST", "/backup", "", ""); a.status != 404 {
		t.Errorf("a backup over TCP: %d", a.status)
	}
	if private(t, filepath.Join(p.dir, "private.sock"), "/doctor").status != 200 {
		t.Error("the socket in the folder is gone")
	}
}

func TestASocketLeftByAKilledServerIsReplaced(t *testing.T) {
	dir := shortDir(t)
	serve(t, dir).kill()
	if _, err := os.Stat(filepath.Join(dir, "private.sock")); err != nil {
		t.Fatal("the killed server left no socket: the test shows nothing")
	}
	serve(t, dir)
	if private(t, filepath.Join(dir, "private.sock"), "/readyz").status != 200 {
		t.Error("not ready")
	}
}

func TestHeadersHaveABound(t *testing.T) {
	p := serve(t, shortDir(t))
	for size, want := range map[int]int{15 << 10: 401, 17 << 10: 431, 64 << 10: 431} {
		a, err := p.try("GET", "/v1/whoami", "", "", "X-Long", strings.Repeat("a", size))
		if err != nil {
			t.Fatal(err)
		}
		if a.status != want {
			t.Errorf("%d bytes: %d, want %d", size, a.status, want)
		}
		if size == 17<<10 && a.text("error", "code") != "HEADERS_TOO_LARGE" {
			t.Errorf("%d bytes: %s", size, a.body)
		}
	}
}

func TestHTTP2IsSpokenOverTLSOnly(t *testing.T) {
	files := t.TempDir()
	cert, key := filepath.Join(files, "cert.pem"), filepath.Join(files, "key.pem")
	roots := certificate(t, cert, key, "first")
	p := serve(t, shortDir(t), "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatal(p.url)
	}
	p.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	res, err := p.http.Get(p.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("over TLS: %s", res.Proto)
	}
	old := &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}

	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	inClear := &http.Client{Transport: &http.Transport{Protocols: &plain}}
	if res, err := inClear.Get(serve(t, shortDir(t)).url + "/readyz"); err == nil {
		res.Body.Close()
		t.Errorf("in the clear: %s", res.Proto)
	}
}

func TestAHangupReadsTheCertificateAndTheConfigurationAgain(t *testing.T) {
	files := t.TempDir()
	cert, key, config := filepath.Join(files, "cert.pem"), filepath.Join(files, "key.pem"), filepath.Join(files, "halberd.yaml")
	certificate(t, cert, key, "first")
	write(t, config, "log_level: warn\n")
	p := serve(t, shortDir(t), "--tls-cert", cert, "--tls-key", key, "--config", config)
	shown := func() string {
		c, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	hangup := func() {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if got := shown(); got != "first" {
		t.Fatal(got)
	}
	certificate(t, cert, key, "second")
	write(t, config, "log_level: info\n")
	hangup()
	p.logs("the configuration was read again")
	if got := shown(); got != "second" {
		t.Errorf("after SIGHUP: %s", got)
	}
	write(t, cert, "nonsense")
	hangup()
	p.logs("the certificate was read again and is refused")
	if got := shown(); got != "second" {
		t.Errorf("after a bad certificate: %s", got)
	}
	write(t, config, "log_lvl: info\n")
	hangup()
	p.logs("log_lvl")
	if got := shown(); got != "second" {
		t.Errorf("after a bad configuration: %s", got)
	}
	certificate(t, cert, key, "third")
	write(t, config, "log_format: json\n")
	hangup()
	p.logs(`only a restart puts into effect" settings=log_format`)
	if got := shown(); got != "third" {
		t.Errorf("at last: %s", got)
	}
}

func TestABadCertificateStopsTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cert.pem")
	write(t, file, "nonsense")
	run(t, "serve", "--data", shortDir(t), "--tls-cert", file, "--tls-key", file).refused(t, 1, file)
}

func TestKeysInTheClearAreWarnedOf(t *testing.T) {
	p := serve(t, shortDir(t), "--listen", "0.0.0.0:0")
	p.logs("NO TLS")
	p = serve(t, shortDir(t))
	p.logs("ready")
	if strings.Contains(p.log.String(), "NO TLS") {
		t.Error("warned of on the loopback")
	}
}

func TestPrintConfigShowsWhatIsInEffect(t *testing.T) {
	o := runEnv(t, []string{"HALBERD_LOG_LEVEL=debug"}, "serve", "--print-config", "--data", "/srv/halberd").must(t)
	want := `listen: 127.0.0.1:8080
data: /srv/halberd
database: ""
lease: 10s
node_name: ""
redis: ""
public_url: http://127.0.0.1:8080
tls_cert: ""
tls_key: ""
ext_authz_listen: ""
check_listen: ""
private_listen: unix:/srv/halberd/private.sock
max_connections: 16384
max_connections_per_address: 1024
management_limit: 600
management_burst: 200
usage_days_by_minute: 2
usage_days_by_hour: 90
usage_days_by_day: 730
events_days: 30
trusted_proxies: ""
policy: ""
guesses_per_minute: 30
guess_burst: 60
oidc_issuer: ""
oidc_client_id: ""
oidc_client_secret_file: ""
oidc_name: ""
webhooks_allow_private: false
smtp_host: ""
smtp_port: 0
smtp_security: ""
smtp_user: ""
smtp_password_file: ""
smtp_from: ""
log_level: debug
log_format: text
otlp_endpoint: ""
otlp_sample_ratio: 1
shutdown_timeout: 10s
`
	if o.out != want {
		t.Errorf("got\n%s", o.out)
	}
	runEnv(t, []string{"HALBERD_LOGLEVEL=debug"}, "serve", "--print-config").refused(t, 2, "HALBERD_LOGLEVEL")
	run(t, "serve", "--listne", ":1").refused(t, 2, "listne")
	for _, flag := range []string{"--policy", "--trusted-proxies", "--tls-cert", "--config"} { // a variable that was never set
		run(t, "serve", flag, "", "--data", shortDir(t)).refused(t, 2, flag+" must not be empty")
	}
	run(t, "serve", "--log-level", "loud", "--data", shortDir(t)).refused(t, 2, "log_level")
	file := filepath.Join(t.TempDir(), "halberd.yaml")
	write(t, file, "listen: :1\nkeys: 1\n")
	run(t, "serve", "--config", file).refused(t, 2, file, "line 2", "keys")
}

func TestAPathTooLongForASocketIsRefusedWithAWord(t *testing.T) {
	dir := filepath.Join(shortDir(t), strings.Repeat("a", 120))
	run(t, "serve", "--data", dir, "--listen", "127.0.0.1:0").refused(t, 1, "107", "shorter path")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate writes one that signed itself, good for 127.0.0.1.
func certificate(t *testing.T, certFile, keyFile, name string) *x509.CertPool {
	t.Helper()
	return certificateUntil(t, certFile, keyFile, name, time.Now().Add(90*24*time.Hour))
}

func certificateUntil(t *testing.T, certFile, keyFile, name string, end time.Time) *x509.CertPool {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool
}
