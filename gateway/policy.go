package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/halberdhq/halberd"
)

// Policy says which keys may do what behind the gateways. It never changes; nil
// is none.
type Policy struct {
	hosts    map[string]*node    // by name, lower case; "" is all that are not named
	projects []halberd.ProjectID // that rules name, each once
}

// Projects are those that the rules name, each once, in the file's order.
func (p *Policy) Projects() []halberd.ProjectID {
	if p == nil {
		return nil
	}
	return slices.Clone(p.projects)
}

// The file, as docs/reference/policy.md has it.
type (
	policyFile struct {
		Project string       `yaml:"project"`
		Rules   []policyRule `yaml:"rules"`
	}
	policyRule struct {
		Host             string    `yaml:"host"`
		Path             string    `yaml:"path"`
		Methods          []string  `yaml:"methods"`
		Project          string    `yaml:"project"`
		Scopes           *[]string `yaml:"scopes"`
		Resource         string    `yaml:"resource"`
		FiltersResources bool      `yaml:"filters_resources"`
	}
)

const (
	maxPolicy = 1 << 20 // bytes
	maxRules  = 10_000
	maxNames  = 8 // wildcards of one path
)

// ParsePolicy reads a policy file. Whatever makes no sense, or is not known, is
// an error that names the line.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > maxPolicy {
		return nil, errors.New("a policy must be at most 1 MiB")
	}
	var file policyFile
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New(inOurWords(err))
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document in the file")
	}
	switch {
	case len(file.Rules) == 0:
		return nil, errors.New("there are no rules, so that nothing would pass: write rules:, or give no policy")
	case len(file.Rules) > maxRules:
		return nil, fmt.Errorf("there are %d rules, and at most %d are read", len(file.Rules), maxRules)
	}
	lines := ruleLines(text)
	p := &Policy{hosts: map[string]*node{}}
	project, err := parseProject(file.Project)
	if err != nil {
		return nil, err
	}
	for i := range file.Rules {
		if err := p.add(&file.Rules[i], project); err != nil {
			return nil, fmt.Errorf("line %d: %w", lines[i], err)
		}
	}
	return p, nil
}

// ruleLines is where each rule begins. Strict reading does not tell.
func ruleLines(text []byte) []int {
	var file struct {
		Rules []yaml.Node `yaml:"rules"`
	}
	_ = yaml.Unmarshal(text, &file) // it was read before
	out := make([]int, len(file.Rules))
	for i := range out {
		out[i] = file.Rules[i].Line
	}
	return out
}

// inOurWords is what the YAML reader found, without the names of Go's types.
func inOurWords(err error) string {
	found, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return "it is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
	}
	lines := make([]string, len(found.Errors))
	for i, line := range found.Errors {
		line, _, unknown := strings.Cut(line, " not found in type ")
		if at, _, ok := strings.Cut(line, ": cannot unmarshal "); ok {
			line = at + ": the value is of another kind than is meant here: see docs/reference/policy.md"
		}
		if unknown {
			line += " is none of a policy's"
		}
		lines[i] = line
	}
	return strings.Join(lines, "; ")
}

func parseProject(text string) (halberd.ProjectID, error) {
	if text == "" {
		return halberd.ProjectID{}, nil
	}
	id, err := halberd.ParseProjectID(text)
	if err != nil {
		return id, errors.New("project must be a project's id, such as prj_01h455vb4pex5vsknk084sn02q")
	}
	return id, nil
}

// rule is what some methods of one path ask for.
type rule struct {
	methods  []string // empty: every method that no other rule of the path has
	names    []string // of the path's wildcards
	project  halberd.ProjectID
	scopes   []halberd.Scope // nil: as the method says
	resource []part          // empty: none is named
	filters  bool
}

// part is a piece of a resource: text, or the number of a wildcard.
type part struct {
	text string
	wild int // -1: text
}

func (p *Policy) add(r *policyRule, project halberd.ProjectID) error {
	ready := &rule{project: project, filters: r.FiltersResources, methods: slices.Clone(r.Methods)}
	own, err := parseProject(r.Project)
	if err != nil {
		return err
	}
	if !own.IsZero() {
		ready.project = own
	}
	for _, m := range r.Methods {
		if m == "" || strings.ContainsFunc(m, func(c rune) bool { return (c < 'A' || c > 'Z') && c != '-' }) {
			return errors.New("methods must be written as GET, POST and so on")
		}
	}
	if slices.Contains(ready.methods, "GET") && !slices.Contains(ready.methods, "HEAD") {
		ready.methods = append(ready.methods, "HEAD") // it is a GET without the body
	}
	if r.Scopes != nil {
		if ready.scopes, err = parseScopes(*r.Scopes); err != nil {
			return err
		}
		if ready.scopes == nil {
			ready.scopes = []halberd.Scope{}
		}
	}
	host, err := parseHost(r.Host)
	if err != nil {
		return err
	}
	if p.hosts[host] == nil {
		p.hosts[host] = &node{}
	}
	at, err := p.hosts[host].grow(r.Path, ready)
	if err != nil {
		return err
	}
	if ready.resource, err = parseTemplate(r.Resource, ready.names); err != nil {
		return err
	}
	if err := at.take(ready); err != nil {
		return err
	}
	if !ready.project.IsZero() && !slices.Contains(p.projects, ready.project) {
		p.projects = append(p.projects, ready.project)
	}
	return nil
}

func parseHost(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if plainHost(text) != text {
		return "", fmt.Errorf("host must be a name as in api.example.com, in lower case and without a port, not %q", text)
	}
	return text, nil
}

// plainHost is a host without its port, in lower case; empty where it is none,
// such as the list that two proxies make: then nobody knows which one the API
// behind the gateway goes by.
func plainHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if inner, v6 := strings.CutPrefix(host, "["); v6 {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return ""
		}
		return host
	}
	for i := range len(host) {
		if c := host[i]; !unreserved(c) || c == '~' || c == '.' && (i == 0 || i == len(host)-1 || host[i-1] == '.') {
			return ""
		}
	}
	return host
}

// parseTemplate takes a resource apart: engagement/{id}.
func parseTemplate(text string, names []string) (out []part, err error) {
	whole := text
	for text != "" {
		before, after, found := strings.Cut(text, "{")
		if before != "" {
			out = append(out, part{before, -1})
		}
		if !found {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		i := slices.Index(names, name)
		switch {
		case !closed:
			return nil, fmt.Errorf("the resource %q has an open brace", whole)
		case i < 0:
			return nil, fmt.Errorf("the resource %q names {%s}, which the path does not have", whole, name)
		}
		out = append(out, part{"", i})
		text = rest
	}
	filled, sound := fill(out, slices.Repeat([]string{"x"}, len(names)))
	if len(out) > 0 && !sound {
		return nil, fmt.Errorf("%q is no resource: write type/id, such as engagement/{id}", filled)
	}
	return out, nil
}

// fill puts values into a template. False: they make no resource.
func fill(template []part, values []string) (string, bool) {
	if len(template) == 1 && template[0].wild < 0 {
		return template[0].text, halberd.ValidResource(template[0].text)
	}
	var b strings.Builder
	for _, p := range template {
		if p.wild < 0 {
			b.WriteString(p.text)
		} else {
			b.WriteString(values[p.wild])
		}
	}
	return b.String(), halberd.ValidResource(b.String())
}
