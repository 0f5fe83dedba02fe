package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/cli"
)

// TestTheReferenceIsWhatHelpSays keeps docs/reference/cli.md as the commands
// describe themselves. `make golden` writes it anew.
func TestTheReferenceIsWhatHelpSays(t *testing.T) {
	const path = "../docs/reference/cli.md"
	root := cli.New(cli.Options{})
	var b bytes.Buffer
	b.WriteString(head)
	describe(&b, root)
	if os.Getenv("HALBERD_GOLDEN") == "write" {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("docs/reference/cli.md is not what the commands say (%v): run make golden and read the difference", err)
	}
}

func TestEveryVerbHasHelpAndAnExample(t *testing.T) {
	each(cli.New(cli.Options{}), func(c *cobra.Command) {
		if c.Short == "" || c.HasParent() && !c.HasSubCommands() && c.Example == "" && c.Name() != "version" {
			t.Errorf("%s has no short help or no example", c.CommandPath())
		}
		for line := range strings.Lines(c.LocalFlags().FlagUsages()) {
			if name := flagLine.FindStringSubmatch(line); name == nil {
				t.Errorf("%s has a flag without help: %s", c.CommandPath(), line)
			} else if secretFlag.MatchString(name[1]) {
				t.Errorf("%s --%s: a secret has no place on the command line", c.CommandPath(), name[1])
			}
		}
	})
}

var (
	flagLine   = regexp.MustCompile(`^ +(?:-., )?--([a-z-]+)(?: [a-z=]+)? {2,}\S`)
	secretFlag = regexp.MustCompile(`^(api-)?key$|token|secret|password`)
)

func each(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		each(sub, visit)
	}
}

func describe(b *bytes.Buffer, root *cobra.Command) {
	each(root, func(c *cobra.Command) {
		if c == root {
			return
		}
		fmt.Fprintf(b, "\n## %s\n\n", c.CommandPath())
		about := c.Long
		if about == "" {
			about = c.Short + "."
		}
		fmt.Fprintf(b, "%s\n", about)
		if c.Example != "" {
			fmt.Fprintf(b, "\n```\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
		}
		if len(c.Aliases) > 0 {
			fmt.Fprintf(b, "\nAlso: `%s`.\n", strings.Join(c.Aliases, "`, `"))
		}
		flags := c.LocalNonPersistentFlags()
		if c.HasAvailableSubCommands() {
			flags = c.PersistentFlags()
		} else {
			flags.AddFlagSet(c.PersistentFlags())
		}
		if flags.HasAvailableFlags() {
			if c.HasAvailableSubCommands() {
				b.WriteString("\nFor all its commands:\n")
			}
			fmt.Fprintf(b, "\n```\n%s```\n", flags.FlagUsages())
		}
	})
}

const head = `# hb: the command line

Written by ` + "`make golden`" + ` from what the commands say of themselves. The commands of whoever
runs the server (` + "`hb serve`" + ` and its kin) say with ` + "`--help`" + ` what they do.

Data goes to stdout and words to stderr. ` + "`-o json`" + ` and ` + "`-o yaml`" + ` have the fields of ` + "`/v1`" + `.

## Where the address and the key come from

The first of these that is there; an address and a key always come together:

1. ` + "`HB_URL` with `HB_API_KEY`" + `, or with ` + "`HB_API_KEY_FILE`" + `, which names a file that holds the key alone.
   With either set, no profile is read; without ` + "`HB_URL`" + ` the address is ` + "`http://127.0.0.1:8080`" + `.
2. the profile of ` + "`--profile`" + `, of ` + "`HB_PROFILE`" + `, or the current one. ` + "`hb login`" + ` makes profiles.

` + "`--url`" + ` names the address for a key that came without one (` + "`HB_API_KEY` without `HB_URL`" + `); everywhere
else it must be the address that the key belongs to, so that a key never goes to another. There is no flag
for a key: what stands on a command line is in the shell's history and in process lists.

Profiles are in ` + "`halberd/profiles.yaml`" + ` under ` + "`XDG_CONFIG_HOME`" + ` (else ` + "`~/.config`" + `), which holds no key. Keys are
in the keyring of the system, or, where there is none, in ` + "`credentials.yaml`" + ` beside it, mode 0600.

## Exit codes

| code | meaning |
|---|---|
| 0 | done; for ` + "`hb verify`" + `: the key may |
| 1 | something else went wrong, some of many keys were refused, or the answer to a question was no |
| 2 | the command, or a value in it, makes no sense |
| 3 | not found, or not within reach of the key in use |
| 4 | no key, a bad one, or one that may not do this |
| 5 | the state forbids it: the ceiling, a revoked key, the last admin, a conflict |
| 6 | too fast |
| 7 | the answer is not known: no answer, not now, or not confirmed by every node |
| 8 | ` + "`hb verify`" + `: the key may not |
| 130 | interrupted |
`
