package main

import (
	"strings"
	"testing"
)

const passing = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`

const skipping = `{"Action":"output","Package":"p","Test":"TestB","Output":"    a_test.go:2: %REASON%\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
` + passing

const failing = `{"Action":"output","Package":"p","Test":"TestC","Output":"    a_test.go:3: broken\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`

func TestTheReportSaysWhatMattersAndFailsWhenItShould(t *testing.T) {
	noCurl := strings.Replace(skipping, "%REASON%", "no curl", 1)
	campaign := strings.Replace(skipping, "%REASON%", "set HALBERD_CAMPAIGN=1", 1)
	for name, c := range map[string]struct {
		in     string
		strict bool
		ok     bool
		out    string
	}{
		"all passed":           {passing, true, true, "ok  \tp\t0.1s\n"},
		"a skip":               {noCurl, false, true, "ok  \tp\t0.1s\nskipped: p TestB: a_test.go:2: no curl\n"},
		"a skip under CI":      {noCurl, true, false, "none may be"},
		"a campaign":           {campaign, true, true, "HALBERD_CAMPAIGN"},
		"a failure":            {failing, false, false, "broken"},
		"a build that failed":  {`{"Action":"build-output","Output":"undefined: x\n"}` + "\n" + `{"Action":"build-fail"}` + "\n" + failing, false, false, "undefined: x"},
		"text that is no JSON": {"go: no such module\n" + passing, false, true, "go: no such module"},
	} {
		var out strings.Builder
		ok, err := report(strings.NewReader(c.in), &out, c.strict)
		if err != nil || ok != c.ok || !strings.Contains(out.String(), c.out) || strings.Contains(out.String(), "chatter") {
			t.Errorf("%s: ok=%v, err=%v, out:\n%s", name, ok, err, out.String())
		}
	}
	if _, err := report(strings.NewReader(""), &strings.Builder{}, false); err == nil {
		t.Error("a run without tests passed")
	}
}
