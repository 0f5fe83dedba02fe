package notify

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestA94_SlackShowsNamesAsText(t *testing.T) {
	body, err := Slack(hostile())
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	text, _ := m["text"].(string)
	if strings.ContainsAny(text, "<>\r\x1b\u202e") || strings.Contains(text, "@everyone") || strings.Contains(text, "@example") {
		t.Errorf("%q", text)
	}
	if !strings.Contains(text, "&lt;!channel&gt; @\u2060everyone *bold* &lt;https://evil.example|click&gt;") {
		t.Errorf("a name is not as it was written: %q", text)
	}
	if lines := strings.Split(text, "\n"); len(lines) != 6 {
		t.Errorf("%d lines: %q", len(lines), text)
	}
	for name, want := range map[string]any{"mrkdwn": false, "parse": "none", "link_names": false, "unfurl_links": false, "unfurl_media": false} {
		if m[name] != want {
			t.Errorf("%s is %v", name, m[name])
		}
	}
	if len(m) != 6 {
		t.Errorf("%v", m)
	}
}

func TestNoticesAreBounded(t *testing.T) {
	n := Notice{Title: strings.Repeat("ü", 10_000)}
	for range 1000 {
		n.Lines = append(n.Lines, strings.Repeat("x", 10_000))
	}
	body, err := Slack(n)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > maxLines*(maxLine+8)+maxTitle*2+200 {
		t.Errorf("%d bytes", len(body))
	}
}
