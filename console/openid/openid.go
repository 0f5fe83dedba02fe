// Package openid is where people sign in with OpenID Connect: one provider,
// spoken to by authorization code with PKCE, state and nonce. It fills the
// console's port of the same name.
//
// Everything that is asked of the provider has a bound: five seconds, a mebibyte,
// no redirects, sixteen at once. A provider that is away is asked again at the
// next sign-in, and stands in the way of nothing else.
package openid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/halberdhq/halberd"
)

// Config is one provider and what it knows this instance as.
type Config struct {
	Issuer       string // https, or http on a loopback address
	ClientID     string
	ClientSecret string // "": a public client, which PKCE alone protects
	Name         string // as people call it, for the button
	// Now is the clock that tokens are judged by; nil is time.Now.
	Now func() time.Time
}

const (
	patience   = 5 * time.Second // for one answer of the provider
	tries      = 2               // of discovery, for one sign-in
	maxAnswer  = 1 << 20         // bytes
	maxCalls   = 16              // at once
	afterAFail = 5 * time.Second // until a provider that was away is asked again
)

// Provider is one issuer. Make one with New; safe for concurrent use.
type Provider struct {
	c     Config
	http  *http.Client
	calls chan struct{} // holds one for each sign-in that talks to the provider

	mu     sync.Mutex
	known  *oidc.Provider // nil until the first sign-in, and after a failure
	failed time.Time      // when it was last away
}

// New makes a Provider. It asks the issuer nothing yet.
func New(c Config) (*Provider, error) {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the issuer must be an address such as https://login.example.com")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, errors.New("the issuer must be https: over plain http anybody on the way could sign in as anybody")
	case c.ClientID == "":
		return nil, errors.New("the client id must not be empty")
	}
	if c.Name == "" {
		c.Name = u.Host
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Provider{c: c, calls: make(chan struct{}, maxCalls), http: &http.Client{
		Timeout:   patience,
		Transport: bounded{http.DefaultTransport},
		// A secret, or a code that is as good, goes where the issuer said and no further.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// Name is what people call the provider.
func (p *Provider) Name() string { return p.c.Name }

// Begin is the provider's page for one sign-in, whose answer goes to back.
func (p *Provider) Begin(ctx context.Context, back, state, nonce, verifier string) (string, error) {
	ctx, done, err := p.call(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	known, err := p.discovered(ctx)
	if err != nil {
		return "", err
	}
	return p.oauth(known, back).AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Finish is who the code that the provider sent back stands for. UNAVAILABLE says
// that the provider is away; UNAUTHORIZED that it proved nothing. Neither repeats
// what the provider wrote.
func (p *Provider) Finish(ctx context.Context, back, code, nonce, verifier string) (halberd.Identity, error) {
	ctx, done, err := p.call(ctx)
	if err != nil {
		return halberd.Identity{}, err
	}
	defer done()
	known, err := p.discovered(ctx)
	if err != nil {
		return halberd.Identity{}, err
	}
	token, err := p.oauth(known, back).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return halberd.Identity{}, p.refused("the code was not taken", err)
	}
	raw, _ := token.Extra("id_token").(string)
	proof, err := known.VerifierContext(ctx, &oidc.Config{ClientID: p.c.ClientID, Now: p.c.Now}).Verify(ctx, raw)
	if err != nil {
		return halberd.Identity{}, p.refused("the ID token is not good", err)
	}
	var more struct {
		Email    string `json:"email"`
		Verified yes    `json:"email_verified"`
		For      string `json:"azp"`
	}
	switch err := proof.Claims(&more); {
	case err != nil:
		return halberd.Identity{}, p.refused("the ID token cannot be read", err)
	case proof.Nonce != nonce || nonce == "":
		return halberd.Identity{}, p.refused("the ID token is of another sign-in", nil)
	case proof.Subject == "":
		return halberd.Identity{}, p.refused("the ID token names nobody", nil)
	case len(proof.Audience) > 1 && more.For != p.c.ClientID:
		return halberd.Identity{}, p.refused("the ID token is for somebody else", nil)
	}
	if proof.AccessTokenHash != "" {
		if err := proof.VerifyAccessToken(token.AccessToken); err != nil {
			return halberd.Identity{}, p.refused("the access token is another's", err)
		}
	}
	who := halberd.Identity{Issuer: p.c.Issuer, Subject: proof.Subject, Email: more.Email, EmailVerified: bool(more.Verified)}
	if who.Email == "" && known.UserInfoEndpoint() != "" { // where the standard puts it
		info, err := known.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return halberd.Identity{}, p.refused("who that is was not told", err)
		}
		if info.Subject != proof.Subject {
			return halberd.Identity{}, p.refused("somebody else was told of", nil)
		}
		who.Email, who.EmailVerified = info.Email, info.EmailVerified
	}
	return who, nil
}

func (p *Provider) oauth(known *oidc.Provider, back string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.c.ClientID, ClientSecret: p.c.ClientSecret, RedirectURL: back, Endpoint: known.Endpoint(),
		Scopes: []string{oidc.ScopeOpenID, oidc.ScopeEmail},
	}
}

// call waits for room to talk to the provider.
func (p *Provider) call(ctx context.Context) (context.Context, func(), error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.http), 3*patience)
	select {
	case p.calls <- struct{}{}:
		return ctx, func() { <-p.calls; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, p.away(ctx.Err())
	}
}

// discovered is what the issuer says of itself, asked for once. One asks, and the
// others wait for that: the lock is held for two answers at most.
func (p *Provider) discovered(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	if !p.failed.IsZero() && p.c.Now().Sub(p.failed) < afterAFail {
		return nil, p.away(errors.New("it was away a moment ago"))
	}
	var err error
	for range tries {
		if p.known, err = oidc.NewProvider(ctx, p.c.Issuer); err == nil {
			p.failed = time.Time{}
			return p.known, nil
		}
		p.known = nil
	}
	if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) { // else the browser left
		p.failed = p.c.Now()
	}
	return nil, p.away(err)
}

func (p *Provider) away(err error) error {
	return &halberd.Error{
		Code: halberd.CodeUnavailable, RetryAfter: afterAFail, Err: err,
		Message: p.c.Name + " does not answer: try again in a moment, or sign in with your password",
	}
}

// refused is the one answer to whatever proves nothing. why is for the log, and
// so is what of err is surely no secret.
func (p *Provider) refused(why string, err error) error {
	var n interface{ Timeout() bool }
	if told, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if told.Response != nil && told.Response.StatusCode >= http.StatusInternalServerError {
			return p.away(fmt.Errorf("%s: the provider answered %d", why, told.Response.StatusCode))
		}
		err = fmt.Errorf("the provider says %.64q", told.ErrorCode) // its body may repeat what was sent
	} else if u, ok := errors.AsType[*url.Error](err); ok || errors.As(err, &n) {
		p.mu.Lock()
		p.known = nil // it may have moved
		p.mu.Unlock()
		if ok {
			err = u.Err
		}
		return p.away(fmt.Errorf("%s: %w", why, err))
	}
	cause := errors.New(why)
	if err != nil {
		cause = fmt.Errorf("%s: %w", why, err)
	}
	return &halberd.Error{
		Code: halberd.CodeUnauthorized, Err: cause,
		Message: "what " + p.c.Name + " sent back does not prove who you are: start again",
	}
}

// yes is a truth that some providers write as a text.
type yes bool

// UnmarshalJSON takes true and "true"; all else is no.
func (y *yes) UnmarshalJSON(b []byte) error {
	*y = string(b) == "true" || string(b) == `"true"`
	return nil
}

// bounded reads no more of an answer than its bound.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}
