package server_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// arrival is one request that a receiver was sent.
type arrival struct {
	at     time.Time
	path   string
	header http.Header
	body   []byte
}

// key is the id of the key that an event is about.
func (a *arrival) key() string {
	var b struct {
		Data map[string]any `json:"data"`
	}
	_ = json.Unmarshal(a.body, &b)
	id, _ := b.Data["key_id"].(string)
	return id
}

// hookReceiver is a real HTTPS server of somebody who has webhooks.
type hookReceiver struct {
	*httptest.Server
	mu   sync.Mutex
	came []arrival
}

// identity is a certificate for 127.0.0.1, as files, and a server's environment
// that trusts it.
func identity(t *testing.T) (cert, key string, trusting []string) {
	t.Helper()
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "receiver"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return cert, key, []string{"env", "SSL_CERT_FILE=" + cert, "HALBERD_WEBHOOKS_ALLOW_PRIVATE=true", "HALBERD_MANAGEMENT_LIMIT=0"}
}

// hookReceived starts a receiver; hang are paths that are never answered.
func hookReceived(t *testing.T, hang string) (*hookReceiver, []string) {
	t.Helper()
	cert, key, trusting := identity(t)
	r := &hookReceiver{}
	end := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.came = append(r.came, arrival{time.Now(), q.URL.Path, q.Header.Clone(), body})
		r.mu.Unlock()
		if q.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
		}
		if hang != "" && q.URL.Path == hang {
			select {
			case <-end:
			case <-q.Context().Done():
			}
		}
	}))
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	r.Server = s
	t.Cleanup(func() {
		close(end)
		s.Close()
	})
	return r, trusting
}

func (r *hookReceiver) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.came)
}

// hook makes a webhook and returns its id and its secret.
func (p *process) hook(admin, body string) (id, secret string) {
	p.t.Helper()
	a := p.call("POST", "/v1/webhooks", admin, body)
	if a.status != 201 {
		p.t.Fatalf("webhook: %d %s", a.status, a.body)
	}
	return a.text("data", "webhook_id"), a.text("data", "secret")
}

func TestWebhooksArriveSignedAndTellNoSecret(t *testing.T) {
	r, trusting := hookReceived(t, "")
	p := launchUnder(t, trusting, shortDir(t))
	p.logs("WEBHOOKS MAY GO ANYWHERE")
	admin := adminKey(t, p.dir)
	id, secret := p.hook(admin, `{"url":"`+r.URL+`/in","events":["key.*"]}`)
	m := p.create("told of")
	p.revoke(m)
	eventually(t, "two events", func() bool { return len(r.arrivals()) == 2 })
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.arrivals() {
		if err := wh.Verify(a.body, a.header); err != nil {
			t.Error(err)
		}
		if a.key() != m.id || strings.Contains(string(a.body), m.secret) || strings.Contains(string(a.body), "digest") || !strings.HasPrefix(a.header.Get("webhook-id"), "evt_") {
			t.Errorf("%s %s", a.header, a.body)
		}
	}
	if got := p.ok("GET", "/v1/webhooks/"+id, admin, ""); strings.Contains(got.body, secret) {
		t.Error("a webhook's secret can be read again")
	}
	eventually(t, "both in the log of deliveries", func() bool {
		log := p.ok("GET", "/v1/webhooks/"+id+"/deliveries", admin, "")
		return strings.Count(log.body, `"delivered"`) == 2
	})
	if strings.Contains(p.log.String(), secret) || strings.Contains(p.log.String(), m.secret) {
		t.Error("a secret is in the log")
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestA85_AServerRefusesEndpointsInside(t *testing.T) {
	p := serve(t, shortDir(t))
	admin := adminKey(t, p.dir)
	for _, url := range []string{
		"https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://169.254.169.254/latest/meta-data/", "https://10.1.2.3/", "https://0.0.0.0/",
		"https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "http://example.org/", "https://nowhere.invalid/", "ftp://example.org/", "https://example.org:8443/", "",
	} {
		body, _ := json.Marshal(map[string]any{"url": url, "events": []string{"*"}})
		a := p.call("POST", "/v1/webhooks", admin, string(body))
		if a.status != 400 || a.text("error", "code") != "INVALID_REQUEST" || !strings.HasPrefix(a.text("error", "message"), "endpoint must be a valid HTTPS URL") {
			t.Errorf("%q: %d %s", url, a.status, a.body)
		}
	}
	body := `{"url":"mailto:ops@example.com","format":"email","events":["*"]}`
	if a := p.call("POST", "/v1/webhooks", admin, body); a.status != 400 || !strings.Contains(a.body, "smtp_host") {
		t.Errorf("email without a mail server: %d %s", a.status, a.body)
	}
}

// The notice of a disabled webhook goes to other webhooks; where there is none the
// operator learns of it.
func TestTheDoctorNamesDisabledWebhooks(t *testing.T) {
	r, trusting := hookReceived(t, "")
	p := launchUnder(t, trusting, shortDir(t))
	admin := adminKey(t, p.dir)
	id, _ := p.hook(admin, `{"url":"`+r.URL+`/gone","events":["key.created"]}`)
	p.create("unheard")
	eventually(t, "the end of the webhook", func() bool {
		return strings.Contains(p.call("GET", "/v1/webhooks/"+id, admin, "").body, `"active":false`)
	})
	found, code := doctor(t, p.dir)
	expect(t, found, "webhooks", "warn", id, "410", "hb webhooks update "+id+" --active")
	if code != 0 {
		t.Errorf("exit %d of a warning", code)
	}
}

func TestA94_SlackAndEmailShowNamesAsText(t *testing.T) {
	r, trusting := hookReceived(t, "")
	box, port := mailServer(t, trusting)
	by := append(slices.Clone(trusting), "HALBERD_SMTP_HOST=127.0.0.1", "HALBERD_SMTP_PORT="+port,
		"HALBERD_SMTP_USER=halberd", "HALBERD_SMTP_PASSWORD=correct horse", "HALBERD_SMTP_FROM=halberd@example.com")
	p := launchUnder(t, by, shortDir(t))
	admin := adminKey(t, p.dir)
	p.hook(admin, `{"url":"`+r.URL+`/slack","format":"slack","events":["key.created"]}`)
	p.hook(admin, `{"url":"mailto:ops@example.org","format":"email","events":["key.created"]}`)
	p.create("<!channel> *bold* @everyone")
	eventually(t, "a message", func() bool { return len(r.arrivals()) == 1 })
	var message struct {
		Text     string `json:"text"`
		Markdown bool   `json:"mrkdwn"`
	}
	a := r.arrivals()[0]
	if err := json.Unmarshal(a.body, &message); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(message.Text, "<>") || strings.Contains(message.Text, "@everyone") || !strings.Contains(message.Text, "&lt;!channel&gt; *bold*") ||
		message.Markdown || a.header.Get("webhook-signature") != "" {
		t.Errorf("%s", a.body)
	}
	var letter string
	eventually(t, "an email", func() bool {
		files, _ := filepath.Glob(filepath.Join(box, "new", "*"))
		if len(files) == 0 {
			return false
		}
		text, err := os.ReadFile(files[0])
		letter = string(text)
		return err == nil
	})
	if !strings.Contains(letter, "To: <ops@example.org>") || !strings.Contains(letter, "<!channel> *bold*") || strings.Contains(p.log.String(), "correct horse") {
		t.Errorf("%s\n%s", letter, p.log)
	}
}

// mailServer starts a real one, with the identity that trusting names.
func mailServer(t *testing.T, trusting []string) (box, port string) {
	t.Helper()
	cert := strings.TrimPrefix(trusting[1], "SSL_CERT_FILE=")
	box = filepath.Join(t.TempDir(), "mail")
	cmd := exec.Command("/usr/bin/python3", "../notify/testdata/smtpd.py", box, cert, filepath.Join(filepath.Dir(cert), "key.pem"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the mail server did not start: %v", err)
	}
	return box, strings.TrimSpace(line)
}

// No event is lost, however often the server is killed, and a repeat has the same
// id (G25).
func TestEventsSurviveKills(t *testing.T) {
	kills, events := 4, 160
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		kills, events = 100, 10_000
	}
	r, trusting := hookReceived(t, "")
	dir := shortDir(t)
	p := launchUnder(t, trusting, dir)
	admin := adminKey(t, dir)
	p.hook(admin, `{"url":"`+r.URL+`/in","events":["key.created"]}`)
	made := map[string]bool{}
	for i := range kills {
		for n := 0; n < events/kills; {
			a, err := p.try("POST", "/v1/api-keys", admin, fmt.Sprintf(`{"label":"k%d-%d","project_id":null}`, i, n))
			if err != nil {
				t.Fatal(err)
			}
			if a.status == 201 {
				made[a.text("data", "key_id")] = true
				n++
			}
		}
		p.kill() // in the midst of relaying and sending
		p = launchUnder(t, trusting, dir)
	}
	missing := func() int {
		got := map[string]bool{}
		for _, a := range r.arrivals() {
			got[a.key()] = true
		}
		n := 0
		for id := range made {
			if !got[id] {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(5 * time.Minute); missing() > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d events never arrived\n%s", missing(), len(made), p.log)
		}
		<-time.After(50 * time.Millisecond)
	}
	ids := map[string]string{} // by key
	repeats := 0
	for _, a := range r.arrivals() {
		id := a.header.Get("webhook-id")
		if was, again := ids[a.key()]; again {
			if repeats++; was != id {
				t.Errorf("the event of %s came as %s and as %s", a.key(), was, id)
			}
		}
		ids[a.key()] = id
	}
	t.Logf("%d events, %d kills: 0 lost, %d repeats", len(made), kills, repeats)
}

// One endpoint that never answers delays no other (G25). How long deliveries take
// with and without it is logged: compare the two lines.
func TestADeadEndpointDelaysNoOther(t *testing.T) {
	others, events := 20, 10
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		others, events = 99, 100
	}
	for _, dead := range []bool{false, true} {
		r, trusting := hookReceived(t, "/dead")
		p := launchUnder(t, trusting, shortDir(t))
		admin := adminKey(t, p.dir)
		for i := range others {
			p.hook(admin, fmt.Sprintf(`{"url":"%s/%d","events":["key.created"]}`, r.URL, i))
		}
		if dead {
			p.hook(admin, `{"url":"`+r.URL+`/dead","events":["key.created"]}`)
		}
		at := map[string]time.Time{}
		for i := range events {
			at[p.create(fmt.Sprint("k", i)).id] = time.Now()
			<-time.After(200 * time.Millisecond)
		}
		var delays []time.Duration
		eventually(t, "everything for those that answer", func() bool {
			delays = delays[:0]
			for _, a := range r.arrivals() {
				if a.path != "/dead" {
					delays = append(delays, a.at.Sub(at[a.key()]))
				}
			}
			return len(delays) >= others*events
		})
		slices.Sort(delays)
		t.Logf("a dead endpoint beside: %v; %d deliveries, p50 %s, p99 %s", dead, len(delays), delays[len(delays)/2], delays[len(delays)*99/100])
		if code := p.stop(); code != 0 {
			t.Errorf("exit %d:\n%s", code, p.log)
		}
	}
}
