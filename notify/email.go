package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/halberdhq/halberd"
)

// mailStep bounds each of the four steps of an email: connecting, being greeted,
// signing in, handing in. The library knows no bound of the whole, nor ends with
// its context in the midst of one.
const mailStep = 7 * time.Second

// How a Mailer talks to its server.
const (
	SMTPStartTLS = "starttls" // in clear at first, then TLS or nothing
	SMTPTLS      = "tls"      // TLS from the first byte
	SMTPPlain    = "none"     // in clear: without a password only
)

// MailOptions say where email is handed in.
type MailOptions struct {
	Host     string
	Port     int            // zero: 587, or 465 with SMTPTLS, or 25 with SMTPPlain
	Security string         // zero: SMTPStartTLS
	User     string         // zero: nobody signs in
	Password halberd.Secret //
	From     string         // an address, with a name or without
	Roots    *x509.CertPool // whose certificates the server may show. nil: the system's

	step time.Duration // zero: mailStep
}

// Mailer hands email in to one SMTP server. Safe for concurrent use: each email is
// a connection of its own.
type Mailer struct {
	client func() (*gomail.Client, error)
	from   *mail.Address
}

// NewMailer refuses options that make no sense. It connects to nothing.
func NewMailer(o MailOptions) (*Mailer, error) {
	from, err := mail.ParseAddress(o.From)
	if err != nil || line(o.From, maxTitle) != o.From {
		return nil, fmt.Errorf("smtp_from must be an email address such as halberd@example.com, not %q", o.From)
	}
	options := []gomail.Option{
		gomail.WithTimeout(cmp.Or(o.step, mailStep)),
		gomail.WithTLSConfig(&tls.Config{ServerName: o.Host, RootCAs: o.Roots, MinVersion: tls.VersionTLS12}),
	}
	port := o.Port
	or := func(usual int) {
		if port == 0 {
			port = usual
		}
	}
	switch o.Security {
	case "", SMTPStartTLS:
		or(587)
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case SMTPTLS:
		or(465)
		options = append(options, gomail.WithSSL())
	case SMTPPlain:
		or(25)
		if o.User != "" {
			return nil, errors.New("smtp_security is none, and a password would travel in the clear: use starttls or tls, or no smtp_user")
		}
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("smtp_security must be starttls, tls or none, not %q", o.Security)
	}
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("smtp_port must be 1 to 65535, and is %d", port)
	}
	options = append(options, gomail.WithPort(port))
	if o.User != "" {
		if o.Password.IsZero() {
			return nil, errors.New("smtp_user is set and there is no password: name a file with smtp_password_file, or set HALBERD_SMTP_PASSWORD")
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(o.User))
	}
	m := &Mailer{from: from, client: func() (*gomail.Client, error) {
		all := slices.Clone(options)
		if o.User != "" {
			all = append(all, gomail.WithPassword(o.Password.Reveal()))
		}
		return gomail.NewClient(o.Host, all...)
	}}
	if _, err := m.client(); err != nil {
		return nil, fmt.Errorf("smtp_host %q: %w", o.Host, err)
	}
	return m, nil
}

// Send hands a Notice in for one person, as plain text. It returns when the server
// has taken it, or within four steps of seven seconds. The same Notice has the same Message-ID,
// so that a repeat can be told.
func (m *Mailer) Send(ctx context.Context, to string, n Notice, now time.Time) error {
	rcpt, err := mail.ParseAddress(to)
	if err != nil || line(to, maxTitle) != to {
		return errors.New("the recipient is no email address")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(&mail.Address{Address: rcpt.Address})
	msg.Subject(line(n.Title, maxTitle))
	msg.SetDateWithValue(now)
	_, domain, _ := strings.Cut(m.from.Address, "@")
	msg.SetMessageIDWithValue(line(n.ID, maxTitle) + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no answers of absence, please
	body := strings.Join(n.lines(), "\n")
	if n.Link != "" {
		body += "\n\n" + line(n.Link, maxLine)
	}
	msg.SetBodyString(gomail.TypeTextPlain, body+"\n")
	c, err := m.client()
	if err != nil {
		return err
	}
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("handing in an email: %w", err)
	}
	return nil
}
