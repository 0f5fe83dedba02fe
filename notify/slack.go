package notify

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json"
)

// slackMessage is the body that Slack's incoming webhooks take, and those of
// other chats that understand it.
type slackMessage struct {
	Text        string `json:"text"`
	Markdown    bool   `json:"mrkdwn"`
	Parse       string `json:"parse"`
	LinkNames   bool   `json:"link_names"`
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
}

// Slack is a Notice as a message in Slack's format. Nothing in a name is a mention,
// a link or markdown: Slack's own control characters are written as it asks for, its
// markdown is switched off, and an @ is followed by a character without width, for the
// chats that take this format and look for names by themselves.
func Slack(n Notice) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(inert(line(n.Title, maxTitle)))
	for _, l := range n.lines() {
		b.WriteString("\n" + inert(l))
	}
	if n.Link != "" {
		b.WriteString("\n" + escape(line(n.Link, maxLine)))
	}
	return json.Marshal(slackMessage{Text: b.String(), Parse: "none"})
}

// inert is a text that a chat shows and does not obey.
func inert(s string) string {
	return escape(strings.ReplaceAll(s, "@", "@\u2060"))
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
