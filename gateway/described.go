package gateway

import (
	"net/http"

	"github.com/halberdhq/halberd"
)

// Description is a door as documents show it. Tests hold the door to it.
type Description struct {
	Path, Name   string
	Summary, Doc string
	Query, Takes []Field // Takes: headers
	Answers      []Outcome
}

// Outcome is one status of a door's answers and the codes that come with it.
type Outcome struct {
	Status int
	Codes  []halberd.Code // none with 200
	Gives  []Field        // headers
}

// Field is a parameter or a header.
type Field struct {
	Name, Doc string
	Many      bool // it may be there several times
	Always    bool // it is there in every such answer, perhaps empty
}

// Described are the doors with a path of their own. /v1/auth/envoy/ is followed by
// any path of a client's, which the OpenAPI cannot say.
func Described() []Description {
	const common = "Asked by a gateway before it passes a request on, with the client's `Authorization` or `X-API-Key`. " +
		"Any method is answered alike, and no body is read. What is forwarded is believed only of `trusted_proxies`. " +
		"Every header of identity is in every answer, empty unless it is 200. "
	return []Description{
		{
			Path: forwardPath, Name: "authForward", Summary: "May this request pass?",
			Doc:   common + "For Traefik, Caddy, Kong, APISIX, HAProxy and programs. Envoy and the Gateway API ask `/v1/auth/envoy/` and the path of the request, and are answered the same.",
			Query: asked(),
			Takes: []Field{
				{Name: "X-Forwarded-Method", Doc: "The method of the request. A policy needs it, and so does a question that names no scope"},
				{Name: "X-Forwarded-Uri", Doc: "Its path and query, as they were sent. A policy needs it"},
				{Name: "X-Forwarded-Host", Doc: "Its host. A policy that names hosts needs it"},
				{Name: "X-Forwarded-For", Doc: "Where it comes from, for keys with an address list: the rightmost address that is no trusted proxy's"},
			},
			Answers: []Outcome{
				given(http.StatusOK, nil),
				given(http.StatusBadRequest, nil, halberd.CodeInvalid),
				given(http.StatusUnauthorized, []Field{challenged}, halberd.CodeUnauthorized),
				given(http.StatusForbidden, []Field{challenged}, halberd.CodeForbidden),
				given(http.StatusTooManyRequests, []Field{retried}, halberd.CodeRateLimited),
				given(http.StatusServiceUnavailable, []Field{retried}, halberd.CodeUnavailable),
			},
		},
		{
			Path: nginxPath, Name: "authNginx", Summary: "May this request pass? For nginx",
			Doc:   common + "For `auth_request`, which makes 500 of all but 200, 401 and 403: 400 is 401 here, 429 and 503 are 403, and `X-Auth-Status` says what is meant.",
			Query: asked(),
			Takes: []Field{
				{Name: "X-Original-Method", Doc: "The method of the request. A policy needs it, and so does a question that names no scope"},
				{Name: "X-Original-URI", Doc: "Its path and query, as they were sent. A policy needs it"},
				{Name: "X-Original-Host", Doc: "Its host. A policy that names hosts needs it"},
				{Name: "X-Real-IP", Doc: "Where it comes from, for keys with an address list"},
			},
			Answers: []Outcome{
				given(http.StatusOK, []Field{meant}),
				given(http.StatusUnauthorized, []Field{meant, challenged}, halberd.CodeUnauthorized),
				given(http.StatusForbidden, []Field{meant, may(challenged), may(retried)}, halberd.CodeForbidden, halberd.CodeRateLimited, halberd.CodeUnavailable),
			},
		},
	}
}

func asked() []Field {
	return []Field{
		{Name: "project", Doc: "Whose keys are good here: `prj_…`. Not said: the instance's only project"},
		{Name: "scopes", Doc: "What the key must hold, all of it; several may also be parted by commas", Many: true},
		{Name: "resource", Doc: "What the key must be good for, such as `engagement/42`, all of it", Many: true},
	}
}

// Headers that some answers have. Never changed.
var (
	challenged = Field{Name: "WWW-Authenticate", Doc: "RFC 6750", Always: true}
	retried    = Field{Name: "Retry-After", Doc: "Seconds", Always: true}
	meant      = Field{Name: "X-Auth-Status", Doc: "The status that is meant", Always: true}
)

func may(f Field) Field {
	f.Always = false
	return f
}

// given is an outcome with the headers that every answer has, and some more.
func given(status int, more []Field, codes ...halberd.Code) Outcome {
	docs := [...]string{
		"The key, `key_…`", "The API's own customer. Percent-encoded where it is more than visible ASCII", "`org_…`", "`prj_…`; none for a key of a whole organization",
		"What the key holds, parted by spaces", "What it is good for, parted by spaces",
	}
	out := Outcome{Status: status, Codes: codes}
	for i, name := range identityNames {
		out.Gives = append(out.Gives, Field{Name: name, Doc: docs[i], Always: true})
	}
	out.Gives = append(out.Gives,
		Field{Name: "X-Auth-Code", Doc: "`VALID`, or why not", Always: true},
		Field{Name: "X-Request-Id", Doc: "The name of this request", Always: true},
		Field{Name: "Cache-Control", Doc: "`no-store`: no answer may be kept", Always: true},
		Field{Name: "RateLimit-Policy", Doc: "The key's limits, if it has any (draft-ietf-httpapi-ratelimit-headers-11)"},
		Field{Name: "RateLimit", Doc: "Where they stand"},
	)
	out.Gives = append(out.Gives, more...)
	return out
}
