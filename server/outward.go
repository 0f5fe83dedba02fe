package server

import (
	"errors"
	"fmt"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/notify"
)

// outward is how messages leave the instance.
type outward struct {
	webhooks *notify.Webhooks
	mailer   *notify.Mailer // nil: no email
}

// openOutward makes it ready. It connects to nothing.
func (in *instance) openOutward(c Config) error {
	password := c.smtpPassword
	if c.SMTPPasswordFile != "" {
		text, err := ownSecret(c.SMTPPasswordFile)
		if err != nil {
			return fmt.Errorf("smtp_password_file: %w", err)
		}
		password = halberd.NewSecret(text)
	}
	var err error
	if c.SMTPHost != "" {
		if in.outward.mailer, err = notify.NewMailer(c.mail(password)); err != nil {
			return err
		}
	}
	in.outward.webhooks = notify.NewWebhooks(notify.Options{AllowPrivate: c.WebhooksAllowPrivate, Logger: in.log, Version: in.version})
	return nil
}

func (c *Config) mail(password halberd.Secret) notify.MailOptions {
	return notify.MailOptions{
		Host: c.SMTPHost, Port: c.SMTPPort, Security: c.SMTPSecurity, User: c.SMTPUser, Password: password, From: c.SMTPFrom,
	}
}

// completeMail refuses mail settings that make no sense. The file of the password,
// which only a server needs, it leaves alone.
func (c *Config) completeMail() error {
	if c.SMTPHost == "" {
		if c.SMTPPort != 0 || c.SMTPSecurity != "" || c.SMTPUser != "" || c.SMTPPasswordFile != "" || c.SMTPFrom != "" {
			return errors.New("smtp_port, smtp_security, smtp_user, smtp_password_file and smtp_from go with smtp_host: set it, or none of them")
		}
		return nil
	}
	if c.SMTPFrom == "" {
		return errors.New("smtp_from must be set with smtp_host: who email is from, such as halberd@example.com")
	}
	password := c.smtpPassword
	if c.SMTPPasswordFile != "" {
		password = halberd.NewSecret("in a file")
	}
	_, err := notify.NewMailer(c.mail(password))
	return err
}
