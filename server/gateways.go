package server

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
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

// warnUnknown says which projects of the policy no key belongs to now, so that its
// operator need not wait for the first request to fail. They may be made later: a
// project is known from the moment it is there.
func (in *instance) warnUnknown(c Config) {
	policy, err := readPolicy(c.Policy)
	if svc := in.service.Load(); err == nil && svc != nil {
		if ids := unknownProjects(svc, policy); ids != "" {
			in.log.Warn("the policy names projects that do not exist or are suspended: what their rules cover is refused", "policy", c.Policy, "projects", ids)
		}
	}
}

// unknownProjects are those of a policy's projects that do not exist or are
// suspended, the first few; empty where there is none, or nobody knows now.
func unknownProjects(svc *halberd.Service, p *gateway.Policy) string {
	if svc.Ready() != nil {
		return ""
	}
	all := slices.DeleteFunc(p.Projects(), func(id halberd.ProjectID) bool {
		_, known := svc.ReachOf(id)
		return known
	})
	const most = 5
	var names []string
	for _, id := range all[:min(len(all), most)] {
		names = append(names, id.String())
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, " ")
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
