package gateways_test

import "strings"

// identity is what an API learns of whose request it is.
var identity = []string{
	"X-Auth-Key-Id", "X-Auth-External-Id", "X-Auth-Organization-Id", "X-Auth-Project-Id", "X-Auth-Scopes", "X-Auth-Resources",
}

func lower(s string) string { return strings.ToLower(s) }
