package cli

import (
	"errors"

	"github.com/zalando/go-keyring"
)

// Where a profile's key may be.
const (
	inKeyring = "keyring"
	inFile    = "file"
)

// account is a profile's name in the keyring. The address is part of it, so
// that whoever edits profiles.yaml does not get the key sent elsewhere.
func account(name, at string) string { return name + " " + at }

const service = "halberd"

// findKey is the key that was kept for this profile at this address.
func (a *app) findKey(name, at, store string) (string, error) {
	missing := noAccess("no key is kept for the profile %s at %s; run `hb login --url %s --profile %s`", name, at, at, name)
	switch store {
	case inKeyring:
		key, err := keyring.Get(service, account(name, at))
		if errors.Is(err, keyring.ErrNotFound) {
			return "", missing
		}
		if err != nil {
			return "", noAccess("the keyring cannot be read: %v.\n"+
				"    Set HB_API_KEY and HB_URL, or run `hb login --no-keyring`.", err)
		}
		return key, nil
	case inFile:
		c, err := a.readCredentials()
		if err != nil {
			return "", err
		}
		if kept, ok := c.Keys[name]; ok && kept.URL == at {
			return kept.Key, nil
		}
		return "", missing
	}
	return "", usage("profiles.yaml: the key of the profile %s is said to be in %q; it must be keyring or file", name, store)
}

// keepKey keeps a key in the keyring, else in a file, and says which.
func (a *app) keepKey(name, at, key string, file bool) (store string, err error) {
	if !file {
		err := keyring.Set(service, account(name, at), key)
		if err == nil {
			return inKeyring, nil
		}
		a.say("hb: there is no keyring to use (%v)", err)
	}
	c, err := a.readCredentials()
	if err != nil {
		return "", err
	}
	c.Keys[name] = credential{at, key}
	return inFile, a.writeSettings("credentials.yaml", c)
}

// dropKey forgets a key. One that is not there is no error.
func (a *app) dropKey(name, at, store string) error {
	if store == inKeyring {
		if err := keyring.Delete(service, account(name, at)); err != nil && !errors.Is(err, keyring.ErrNotFound) {
			return err
		}
		return nil
	}
	c, err := a.readCredentials()
	if err != nil {
		return err
	}
	if _, ok := c.Keys[name]; !ok {
		return nil
	}
	delete(c.Keys, name)
	return a.writeSettings("credentials.yaml", c)
}
