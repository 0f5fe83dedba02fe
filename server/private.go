package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"
)

// inside serves what is for this machine only: metrics and profiles.
func (in *instance) inside() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", in.metrics.handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /healthz", in.healthz)
	mux.HandleFunc("GET /readyz", in.readyz)
	return mux
}

// atHand serves, besides, what hb asks of the instance that holds the folder.
// It is on the socket in the folder only, where the files' owner is the one
// who can ask: an address on the loopback is open to everyone on the machine.
func (in *instance) atHand() *http.ServeMux {
	mux := in.inside()
	mux.HandleFunc("POST /backup", in.backup)
	mux.HandleFunc("GET /doctor", in.doctor)
	return mux
}

func (in *instance) backup(w http.ResponseWriter, r *http.Request) {
	store, ok := in.store.(copier)
	if !ok {
		http.Error(w, in.current().notOurs("backup").Error(), http.StatusNotImplemented)
		return
	}
	started := &startedWriter{ResponseWriter: w}
	if err := store.Backup(r.Context(), started); err != nil {
		in.log.Error("a backup failed", "why", err)
		if started.yes {
			panic(http.ErrAbortHandler) // so that the reader sees that it was cut short
		}
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	in.log.Info("a backup was made")
}

type startedWriter struct {
	http.ResponseWriter
	yes bool
}

func (w *startedWriter) Write(b []byte) (int, error) {
	w.yes = true
	return w.ResponseWriter.Write(b)
}

func (in *instance) doctor(w http.ResponseWriter, r *http.Request) {
	svc := in.service.Load()
	if svc == nil {
		http.Error(w, errStarting.Error(), http.StatusServiceUnavailable)
		return
	}
	d := doctor{config: in.current(), store: in.store, service: svc, jobs: in.jobs.Load(), now: in.now()}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(d.examine(r.Context()))
}

var (
	errStarting    = errors.New("the server is starting: ask again in a moment")
	errFolderInUse = errors.New("another hb serve runs here")
)
