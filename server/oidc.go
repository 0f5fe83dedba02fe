package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/halberdhq/halberd/console"
	"github.com/halberdhq/halberd/console/openid"
)

// provider is where people sign in besides by password; nil: nowhere. It asks the
// issuer nothing.
func (c *Config) provider() (console.Provider, error) {
	secret := c.oidcSecret.Reveal()
	if c.OIDCClientSecretFile != "" {
		var err error
		if secret, err = ownSecret(c.OIDCClientSecretFile); err != nil {
			return nil, fmt.Errorf("oidc_client_secret_file: %w", err)
		}
	}
	return c.providerWith(secret)
}

// providerWith leaves the file of the secret alone, which only a server needs.
func (c *Config) providerWith(secret string) (console.Provider, error) {
	switch {
	case c.OIDCIssuer == "" && (c.OIDCClientID != "" || c.OIDCClientSecretFile != "" || c.OIDCName != ""):
		return nil, errors.New("oidc_client_id, oidc_client_secret_file and oidc_name go with oidc_issuer: set it, or none of them")
	case c.OIDCIssuer == "":
		return nil, nil //nolint:nilnil // no provider is no failure
	case c.OIDCClientID == "":
		return nil, errors.New("oidc_client_id must be set with oidc_issuer: the provider gives it when this server is registered there")
	}
	p, err := openid.New(openid.Config{Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: secret, Name: c.OIDCName})
	if err != nil {
		return nil, fmt.Errorf("oidc_issuer: %w", err)
	}
	return p, nil
}

// ownSecret reads a secret out of a file that nobody else may read.
func ownSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others may read %s: chmod 600 %s", path, quote(path))
	}
	text, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
