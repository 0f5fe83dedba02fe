package cli

import (
	"cmp"
	"errors"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) keysCreate() *cobra.Command {
	var k keyFlags
	var project, organization, idempotency string
	var wide, operator bool
	c := &cobra.Command{
		Use: "create", Args: words(),
		Short: "Make an API key and show it, once",
		Long: "Make an API key. The key is written to stdout, everything else to stderr, so that it\n" +
			"can be piped to where it belongs. It is shown only once and cannot be retrieved: if it\n" +
			"is lost, revoke it and create a new one.\n\n" +
			"Without --scopes and --expires-in the project's defaults hold.",
		Example: `  hb api-keys create --name "CI Key"
  hb api-keys create --name "CI Key" --scopes read --expires-in 90d
  hb api-keys create --name "CI Key" -q | your-secret-store put ci-key`,
	}
	f := c.Flags()
	k.on(c)
	f.StringVar(&project, "project", "", "the project it belongs to (default: the one of the key in use)")
	f.BoolVar(&wide, "organization-wide", false, "good in every project of the organization")
	f.StringVar(&organization, "organization", "", "in another organization (operators)")
	f.BoolVar(&operator, "operator", false, "may run the instance (operators)")
	f.StringVar(&idempotency, "idempotency-key", "", "repeating the command with the same text makes no second key")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		v, err := a.keyValues(&k, cmd)
		if err != nil {
			return err
		}
		in := wire.CreateKey{
			Label: v.label, Scopes: v.scopes, Resources: v.resources, ExpiresAt: v.at, ExpiresInDays: v.days,
			NotBefore: v.notBefore, ExternalID: v.externalID, IPAllow: v.ipAllow, RateLimits: v.rateLimits, Quota: v.quota,
		}
		if len(v.metadata) > 0 {
			in.Metadata = wire.Some(wire.Metadata(v.metadata))
		}
		switch {
		case wide && project != "":
			return usage("--project and --organization-wide contradict each other; give one")
		case wide:
			in.ProjectID = wire.Null[string]()
		case project != "":
			in.ProjectID = wire.Some(project)
		}
		if organization != "" {
			in.OrganizationID = wire.Some(organization)
		}
		if operator {
			in.Operator = wire.Some(true)
		}
		var opts []client.CallOption
		if idempotency != "" {
			opts = append(opts, client.IdempotencyKey(idempotency))
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		made, err := api.Keys.Create(cmd.Context(), in, opts...)
		if err != nil {
			a.perhapsMade(err)
			return err
		}
		a.introduce("Created", &made.Key)
		if err := a.showSecret(&made); err != nil {
			return err
		}
		a.urge()
		if made.ExpiresAt == nil {
			a.tell("It never expires. To end it: hb api-keys update %s --expires-in 90d (30, 60 or 90 days are usual).", made.KeyID)
		}
		return nil
	}
	return c
}

// perhapsMade warns when no answer came: the key may exist all the same.
func (a *app) perhapsMade(err error) {
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.CodeUnreachable {
		a.say("hb: whether the key was made is not known; look for it with `hb api-keys list`")
	}
}

// introduce says which key the text on stdout is.
func (a *app) introduce(done string, k *wire.Key) {
	a.tell("%s the API key %s", done, called(k))
	a.tell("  id       %s", k.KeyID)
	a.tell("  scopes   %s", list(k.Scopes))
	a.tell("  expires  %s\n", cmp.Or(instant(k.ExpiresAt), "never"))
}

// urge says what to do with the key now. On a terminal it stands between two
// empty lines; where it went elsewhere there is nothing to stand between.
func (a *app) urge() {
	if _, ok := terminal(a.out); ok {
		a.tell("")
	}
	a.tell("Store it securely: it is shown only once. If lost, revoke it and create a new one.")
}
