package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// whatever a name holds, the terminal sees only text.
func TestNamesCannotSteerTheTerminal(t *testing.T) {
	evil := "a\x1b[2Jb\nkey_forged  row\r\u009b31m\u202egnp.exe\x7f\tend"
	label, _ := json.Marshal(evil)
	key := `{"key_id":"key_01h455vb4pex5vsknk084sn02q","label":` + string(label) + `,"prefix":"hb_live_abc","state":"active","metadata":{"\u001b]0;x\u0007":"\u202e"}}`
	for _, args := range [][]string{
		{"api-keys", "list"}, {"api-keys", "list", "-o", "json"}, {"api-keys", "list", "-o", "yaml"},
		{"api-keys", "get", "key_01h455vb4pex5vsknk084sn02q"}, {"api-keys", "get", "key_01h455vb4pex5vsknk084sn02q", "-o", "yaml"},
		{"api-keys", "update", "key_01h455vb4pex5vsknk084sn02q", "--active"}, {"api-keys", "delete", "key_01h455vb4pex5vsknk084sn02q", "--force"}, {"api-keys", "rotate", "key_01h455vb4pex5vsknk084sn02q"},
	} {
		body := `{"data":` + key + `}`
		if args[1] == "list" {
			body = `{"data":[` + key + `]}`
		}
		_, out, words := run(t, answering(t, 200, body), "", args...)
		if strings.ContainsAny(out+words, "\x1b\r\u009b\u202e\x7f\t\x07") {
			t.Errorf("%v: %q %q", args, out, words)
		}
		if args[len(args)-1] == "list" && strings.Count(out, "\n") != 2 {
			t.Errorf("a name made a row of its own: %q", out)
		}
	}
	// And programs get it whole.
	_, out, _ := run(t, answering(t, 200, `{"data":`+key+`}`), "", "api-keys", "get", "key_01h455vb4pex5vsknk084sn02q", "-o", "json")
	var got struct{ Label string }
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Label != evil {
		t.Errorf("%q %v", got.Label, err)
	}
}

func TestAnErrorIsOneRecord(t *testing.T) {
	env := answering(t, 400, `{"error":{"code":"INVALID_REQUEST","message":"x\nhb: all is well\u001b[2J"},"meta":{"request_id":"r\n1"}}`)
	_, _, words := run(t, env, "", "api-keys", "list")
	if strings.Count(words, "\n") != 2 || strings.Contains(words, "\x1b") {
		t.Errorf("%q", words)
	}
}

func TestYAMLKeepsTextText(t *testing.T) {
	key := `{"data":{"key_id":"key_01h455vb4pex5vsknk084sn02q","label":"no","prefix":"1e3","state":"active","metadata":{"on":"0x1","a b":"~"}}}`
	_, out, _ := run(t, answering(t, 200, key), "", "api-keys", "get", "key_01h455vb4pex5vsknk084sn02q", "-o", "yaml")
	for _, want := range []string{`label: "no"`, `prefix: "1e3"`, `"on": "0x1"`, `"a b": "~"`, "active: false", "expires_at: null"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
}
