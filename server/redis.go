package server

import (
	"errors"
	"log/slog"
	"net/url"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/limits/redis"
)

// hideRedisPassword takes the password out of the Redis' address, as
// hidePassword does for the database.
func (c *Config) hideRedisPassword(fromEnvironment bool) error {
	if c.Redis == "" {
		return nil
	}
	u, err := url.Parse(c.Redis)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("redis must be redis://host:6379/0, or rediss:// for TLS, its special letters as %XX") // and no word of what was given
	}
	password, given := u.User.Password()
	if !given {
		return nil
	}
	if !fromEnvironment {
		return errors.New("the password for Redis is not to be on the command line or in the file of settings: put the address into the variable HALBERD_REDIS")
	}
	if u.User = url.User(u.User.Username()); u.User.Username() == "" {
		u.User = nil
	}
	c.Redis, c.redisPassword = u.String(), halberd.NewSecret(password)
	return nil
}

// sharedLimits is the place where limits are kept for all nodes; nil: there is
// none.
func (c Config) sharedLimits(log *slog.Logger) (halberd.SharedLimits, error) {
	if c.Redis == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Redis)
	if err != nil {
		return nil, err
	}
	if password := c.redisPassword.Reveal(); password != "" {
		u.User = url.UserPassword(u.User.Username(), password)
	}
	return redis.New(u.String(), log)
}
