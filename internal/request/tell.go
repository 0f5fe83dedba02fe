package request

import "net/http"

// Listener is a ResponseWriter of whoever put a surface up and wants to know
// how requests end, for metrics and traces.
type Listener interface {
	// Told is called at most once per request, before the answer is written,
	// with its name and with the code of the refusal or verdict; empty: neither.
	Told(requestID, code string)
}

// Tell tells w, if it listens.
func Tell(w http.ResponseWriter, requestID, code string) {
	if l, ok := w.(Listener); ok {
		l.Told(requestID, code)
	}
}
