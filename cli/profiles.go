package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"go.yaml.in/yaml/v3"
)

// profiles is profiles.yaml. It holds no secret.
type profiles struct {
	Current  string             `yaml:"current"`
	Profiles map[string]profile `yaml:"profiles"`
}

// profile is one server that hb knows.
type profile struct {
	URL   string `yaml:"url"`
	Store string `yaml:"key"` // where its key is: keyring or file
}

// pick is the profile in force: the one asked for, else the current one.
func (p *profiles) pick(flag, env string) string { return cmp.Or(flag, env, p.Current) }

// credentials is credentials.yaml (mode 0600), for machines without a keyring.
// Each key stands beside the address it was given for.
type credentials struct {
	Keys map[string]credential `yaml:"keys"`
}

type credential struct {
	URL string `yaml:"url"`
	Key string `yaml:"key"`
}

func (a *app) readProfiles() (profiles, error) {
	var p profiles
	err := a.readSettings("profiles.yaml", false, &p)
	if p.Profiles == nil {
		p.Profiles = map[string]profile{}
	}
	return p, err
}

func (a *app) readCredentials() (credentials, error) {
	var c credentials
	err := a.readSettings("credentials.yaml", true, &c)
	if c.Keys == nil {
		c.Keys = map[string]credential{}
	}
	return c, err
}

// settingsPath is a file of hb's own under the XDG configuration folder.
func (a *app) settingsPath(name string) (string, error) {
	dir := a.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // the XDG specification says to ignore a relative one
		if home := a.getenv("HOME"); home != "" {
			dir = filepath.Join(home, ".config")
		} else {
			var err error
			if dir, err = os.UserConfigDir(); err != nil {
				return "", usage("there is no folder for settings: set XDG_CONFIG_HOME or HOME")
			}
		}
	}
	return filepath.Join(dir, "halberd", name), nil
}

// readSettings reads a file strictly into out; a missing one changes nothing.
// Errors of the reader are not repeated for a file of secrets: they quote it.
func (a *app) readSettings(name string, secret bool, out any) error {
	path, err := a.settingsPath(name)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usage("%v", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return usage("%v", err)
	}
	if secret && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return noAccess("%s can be read by others (mode %04o), so its keys are not used.\n"+
			"    Run `chmod 600` on it; if others could really read it, rotate the keys in it.", path, info.Mode().Perm())
	}
	dec := yaml.NewDecoder(io.LimitReader(f, 1<<20))
	dec.KnownFields(true)
	err = dec.Decode(out)
	if err == nil {
		if err = dec.Decode(new(any)); err == nil {
			err = errors.New("there is a second document in it")
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case secret:
		return usage("%s is not as hb writes it", path)
	}
	return usage("%s: %v", path, err)
}

// writeSettings replaces a file whole: a crash leaves the old one or the new.
func (a *app) writeSettings(name string, v any) error {
	path, err := a.settingsPath(name)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone already when all went well
	_, err = tmp.Write(buf.Bytes())
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Rename(tmp.Name(), path)
}

// validProfile keeps names to what is easy to type and to print.
func validProfile(name string) error {
	ok := name != "" && len(name) <= 64
	for i := range len(name) {
		c := name[i]
		ok = ok && (wordByte(c) || c == '-' || c == '.')
	}
	if !ok {
		return usage("a profile's name is 1 to 64 letters, digits, '-', '_' or '.'")
	}
	return nil
}
