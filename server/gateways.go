package server

import (
	"fmt"
	"os"

	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/request"
)

// openDoors makes the doors go by the policy and the proxies of a Config, both
// or neither.
func (in *instance) openDoors(c Config) error {
	proxies, err := request.ParseProxies(c.TrustedProxies)
	if err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	policy, err := readPolicy(c.Policy)
	if err != nil {
		return err
	}
	in.doors.Trust(proxies)
	in.doors.Follow(policy)
	return nil
}

// readPolicy is nil where no file is named.
func readPolicy(file string) (*gateway.Policy, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // no policy is a policy: see Doors.Follow
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	p, err := gateway.ParsePolicy(text)
	if err != nil {
		return nil, fmt.Errorf("the policy %s: %w", file, err)
	}
	return p, nil
}
