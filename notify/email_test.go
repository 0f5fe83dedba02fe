package notify

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"mime"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

// post is a real mail server in a process of its own.
type post struct {
	port  int
	box   string
	roots *x509.CertPool
}

func startPost(t *testing.T) post {
	t.Helper()
	dir := t.TempDir()
	cert, key, roots := certificate(t, dir)
	p := post{box: filepath.Join(dir, "mail"), roots: roots}
	cmd := exec.Command("/usr/bin/python3", "testdata/smtpd.py", p.box, cert, key) // Debian's own, which python3-aiosmtpd is for
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	text, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = in.Close()
		_ = cmd.Wait()
		t.Fatalf("the mail server did not start (python3-aiosmtpd is in scripts/debian-packages.txt): %s", complaints.String())
	}
	if p.port, err = strconv.Atoi(strings.TrimSpace(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

// certificate makes one for 127.0.0.1, as files, and who vouches for it.
func certificate(t *testing.T, dir string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
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
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return cert, key, roots
}

// letters are what the server has taken, as it would hand them to a reader.
func (p post) letters(t *testing.T) []*mail.Message {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.box, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*mail.Message
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func (p post) options() MailOptions {
	return MailOptions{Host: "127.0.0.1", Port: p.port, User: "halberd", Password: halberd.NewSecret("correct horse"), From: "Halberd <halberd@example.com>", Roots: p.roots}
}

// hostile is a Notice whose texts try to be more than text.
func hostile() Notice {
	return Notice{
		ID:    "evt_01",
		Title: "Key \"a\r\nBcc: victim@example.org\r\n\r\n<b>\" is used after it was revoked \x1b[2J",
		Lines: []string{"name: <!channel> @everyone *bold* <https://evil.example|click>", "agent: x\r\n.\r\nMAIL FROM:<evil@example.org>", ".", "", "bidi: \u202egnirts"},
		Link:  "https://keys.example.com/keys/key_01\r\nX-Evil: 1",
	}
}

func TestA94_EmailCarriesNamesAsText(t *testing.T) {
	p := startPost(t)
	m, err := NewMailer(p.options())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), "ops@example.org", hostile(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	all := p.letters(t)
	if len(all) != 1 {
		t.Fatalf("%d letters", len(all))
	}
	h := all[0].Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, `Key "a  Bcc: victim@example.org    <b>" is used`) || strings.ContainsAny(subject, "\r\n\x1b") {
		t.Errorf("subject %q, %v", subject, err)
	}
	for name, want := range map[string]string{
		"Bcc": "", "X-Evil": "", "To": "<ops@example.org>", "From": `"Halberd" <halberd@example.com>`, "Message-Id": "<evt_01@example.com>",
		"X-Rcptto": "ops@example.org", "X-Mailfrom": "halberd@example.com", "Auto-Submitted": "auto-generated", "Date": "Fri, 02 Jan 2026 03:04:05 +0000",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if typ, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || typ != "text/plain" {
		t.Errorf("%q, %v", h.Get("Content-Type"), err)
	}
	body, err := io.ReadAll(all[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(body)), "\n"); len(lines) != 6 || !strings.Contains(string(body), "=2E") && lines[2] != "." {
		t.Errorf("the body is\n%s", body)
	}
}

func TestEmailIsRefusedWithoutGoodTLSAndPassword(t *testing.T) {
	p := startPost(t)
	for name, change := range map[string]func(*MailOptions){
		"wrong password":      func(o *MailOptions) { o.Password = halberd.NewSecret("battery staple") },
		"unknown certificate": func(o *MailOptions) { o.Roots = x509.NewCertPool() },
		"in clear":            func(o *MailOptions) { o.Security, o.User = SMTPPlain, "" },
		"nobody there":        func(o *MailOptions) { o.Port = 1 },
	} {
		o := p.options()
		change(&o)
		m, err := NewMailer(o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = m.Send(t.Context(), "ops@example.org", Notice{ID: "evt_01", Title: "x"}, time.Now())
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "battery") || strings.Contains(err.Error(), "horse") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(p.letters(t)); n != 0 {
		t.Errorf("%d letters arrived", n)
	}
}

func TestEmailRecipientsAreOneAddress(t *testing.T) {
	m, err := NewMailer(MailOptions{Host: "127.0.0.1", Port: 1, Security: SMTPPlain, From: "halberd@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"", "nobody", "a@b.org, c@d.org", "a@b.org\r\nRCPT TO:<c@d.org>", "a@b.org\nBcc: c@d.org", "@", "<a@b.org", "a b@c.org"} {
		if err := m.Send(context.Background(), to, Notice{ID: "evt_01"}, time.Now()); err == nil || !strings.Contains(err.Error(), "no email address") {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func TestMailOptionsThatMakeNoSense(t *testing.T) {
	good := MailOptions{Host: "mail.example.com", From: "halberd@example.com"}
	for want, change := range map[string]func(*MailOptions){
		"smtp_from":          func(o *MailOptions) { o.From = "nobody" },
		"smtp_from ":         func(o *MailOptions) { o.From = "a@b.org\r\nX: y" },
		"smtp_port":          func(o *MailOptions) { o.Port = 65536 },
		"smtp_security must": func(o *MailOptions) { o.Security = "ssl" },
		"in the clear":       func(o *MailOptions) { o.Security, o.User, o.Password = SMTPPlain, "u", halberd.NewSecret("p") },
		"smtp_password_file": func(o *MailOptions) { o.User = "u" },
		"smtp_host":          func(o *MailOptions) { o.Host = "" },
	} {
		o := good
		change(&o)
		if _, err := NewMailer(o); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := NewMailer(good); err != nil {
		t.Error(err)
	}
}

// A server that takes the connection and then says nothing more, at the greeting or
// behind it, has so long for a step: the library's own wait would outlast the try.
func TestEmailDoesNotWaitForAServerThatHangs(t *testing.T) {
	for _, greeting := range []string{"", "220 mail.example.com ESMTP\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan struct{})
		var taken sync.WaitGroup
		taken.Go(func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, greeting)
			<-sent
			_ = c.Close()
		})
		m, err := NewMailer(MailOptions{
			Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: SMTPPlain, From: "halberd@example.com", step: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Send(t.Context(), "ops@example.com", Notice{ID: "evt_1", Title: "t"}, time.Now()); err == nil {
			t.Error("it was taken")
		}
		close(sent)
		_ = l.Close()
		taken.Wait()
	}
}
