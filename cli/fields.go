package cli

import (
	"errors"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

// flagOf is the flag by which a field of /v1 is given, where the name alone does
// not tell, and the unit that the server counts it in.
var flagOf = map[string]struct{ flag, unit string }{
	"label": {"name", ""}, "q": {"search", ""}, "key_prefix": {"key-prefix", ""}, "rate_limits": {"rate-limit", ""},
	"overlap_seconds": {"overlap", "seconds"}, "expires_in_days": {"expires-in", "days"},
	"default_expires_in_days": {"default-expires-in", "days"}, "max_expires_in_days": {"max-expires-in", "days"},
	"project_id": {"project", ""}, "organization_id": {"organization", ""}, "endpoint": {"url", ""},
}

// spanned is what hb takes for an instant besides what the server does (ago and
// ahead), by the field of /v1.
var spanned = map[string]string{
	"from": ", or a time ago such as 7d", "to": ", or a time ago such as 1h", "unused_since": ", or a time ago such as 90d",
	"expires_before": ", or a time from now such as 30d",
}

var fieldWord = regexp.MustCompile(`^[a-z]+\b|\b[a-z]+(_[a-z]+)+\b`)

// inFlags is err with the fields of /v1 that the server speaks of under the
// names that cmd has for them. A word is taken for a field where it begins the
// sentence, as the server begins one about a value, or has an underscore.
func inFlags(cmd *cobra.Command, err error) error {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Field == "" || cmd == nil {
		return err
	}
	out := *e
	out.Message = fieldWord.ReplaceAllStringFunc(e.Message, func(field string) string {
		to, special := flagOf[field]
		if !special {
			to.flag = strings.ReplaceAll(field, "_", "-")
		}
		if cmd.Flags().Lookup(to.flag) == nil {
			return field
		}
		if to.unit != "" {
			return "--" + to.flag + ", in " + to.unit + ","
		}
		return "--" + to.flag
	})
	if strings.Contains(e.Message, "must be an instant") {
		out.Message += spanned[e.Field]
	}
	return &out
}
