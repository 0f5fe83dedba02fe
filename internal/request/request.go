// Package request holds what every HTTP surface does alike, so that none does
// it differently: finding the credential, naming the request, reading a body
// strictly, refusing in one order, and logging one line.
//
// A Surface is a table of Operations with a Service behind it. Each request
// goes the same way:
//
//	path and method     404, 405
//	credential          400 several that differ, 401 none or not a good one
//	its caller's pace   429, unless the operation is free
//	right               403, before any value is judged
//	headers, query      400
//	body                413, 415, 400
//	the operation       what the Service says
package request

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/halberdhq/halberd"
)

// ID is the name of a request: the caller's own X-Request-Id where it is short
// and plain, else a new one. What holds a key, put there by mistake, is not
// taken: the id goes into the log and the audit record.
func ID(h http.Header) string { return IDOf(h["X-Request-Id"]) }

// IDOf is ID for the values of the header.
func IDOf(given []string) string {
	if len(given) == 1 && plainID(given[0]) && !holdsKey(given[0]) {
		return given[0]
	}
	return halberd.NewRequestID().String()
}

func plainID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// holdsKey reports whether a key stands anywhere in a text as short as an id.
func holdsKey(s string) bool {
	if strings.IndexByte(s, '_') < 0 {
		return false // as with a UUID: every key has one
	}
	for begin := range s {
		for end := begin + 1; end <= len(s); end++ {
			if halberd.NewSecret(s[begin:end]).WellFormed() {
				return true
			}
		}
	}
	return false
}

// ClientAddr is where a request comes from: the address at the other end of the
// socket, or what Proxies.Settle found; the zero Addr where there is none (a
// Unix socket). No forwarding header is looked at here.
func ClientAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
