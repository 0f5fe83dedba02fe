package console

import (
	"strings"

	"github.com/halberdhq/halberd"
)

// secretView is the one page that shows a whole key.
type secretView struct {
	Area        area
	Key         halberd.Key
	Secret      string
	Heading     string
	Called      string
	Permissions []permission
	Soon        string
	Snippets    []snippet
	Variable    string
	Old         string // until when the old secret goes on
	Late        bool   // a node did not say in time that it knows the key
}

// snippet is a ready-made use of the key, which is never in it.
type snippet struct{ Name, Text string }

func (x *exchange) showSecret(made halberd.Changed, heading string) error {
	k := made.Key
	v := secretView{
		Area: x.area, Key: k, Secret: made.Secret.Reveal(), Heading: heading, Called: called(&k),
		Permissions: permissions(k.Scopes), Variable: variable(x.project.Name),
	}
	if !k.ExpiresAt.IsZero() {
		v.Soon = soon(k.ExpiresAt, x.now)
	}
	v.Late = !made.Propagation.Confirmed
	if x.now.Before(k.PreviousExpiresAt) {
		v.Old = exact(k.PreviousExpiresAt)
	}
	v.Snippets = snippets(x.c.public.String()+"/v1/whoami", v.Variable)
	return x.renderSecret("secret.html", heading, "keys", v)
}

// variable is the environment variable that a project's samples read.
func variable(project string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r == ' ', r == '-', r == '_':
			return '_'
		}
		return -1
	}, project)
	name = strings.Trim(name, "_")
	if name == "" || name[0] <= '9' || len(name) > 32 {
		return "API_KEY"
	}
	return name + "_API_KEY"
}

// snippets reach the host that this console is reached at (S1-17, S1-19, S3-33,
// S4-09). CI systems take the key from their own secrets (S1-21, S4-17).
func snippets(url, variable string) []snippet {
	fill := strings.NewReplacer("URL", url, "VAR", variable)
	return []snippet{
		{"curl", fill.Replace(`# asks for the key without leaving it in your shell history
read -rs VAR && export VAR

curl -fsS -H "X-API-Key: $VAR" URL`)},
		{"JavaScript", fill.Replace(`const answer = await fetch("URL", {
  headers: { "X-API-Key": process.env.VAR },
});
console.log(await answer.json());`)},
		{"Python", fill.Replace(`import os, urllib.request

ask = urllib.request.Request(
    "URL",
    headers={"X-API-Key": os.environ["VAR"]},
)
print(urllib.request.urlopen(ask).read().decode())`)},
		{"Go", fill.Replace(`req, _ := http.NewRequest("GET", "URL", nil)
req.Header.Set("X-API-Key", os.Getenv("VAR"))
resp, err := http.DefaultClient.Do(req)`)},
		{"GitHub Actions", fill.Replace(`# once: gh secret set VAR
- name: Call the API
  run: curl -fsS -H "X-API-Key: $VAR" URL
  env:
    VAR: ${{ secrets.VAR }}`)},
		{"GitLab CI", fill.Replace(`# Settings, CI/CD, Variables: VAR, masked and protected
call-the-api:
  script:
    - curl -fsS -H "X-API-Key: $VAR" URL`)},
		{"CircleCI", fill.Replace(`# Organization settings, Contexts: add VAR to a context
jobs:
  call-the-api:
    docker: [{ image: cimg/base:current }]
    steps:
      - run: curl -fsS -H "X-API-Key: $VAR" URL`)},
	}
}
