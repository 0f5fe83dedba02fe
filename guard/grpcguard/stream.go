package grpcguard

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/halberdhq/halberd"
)

// stream is a ServerStream whose context has the verdict on its key.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// namedStream holds every message that comes in against the key's resources.
// The first refusal is the last word: nothing comes in or goes out after it.
type namedStream struct {
	*stream
	resourceOf func(request any) string
	allows     func(resource string) bool
	refuse     func(message string) error

	mu    sync.Mutex // a stream may send and receive at once
	named bool       // a message was let in
	err   error      // the refusal
}

// RecvMsg implements grpc.ServerStream.
func (s *namedStream) RecvMsg(m any) error {
	if err := s.refused(); err != nil {
		return err
	}
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	resource := s.resourceOf(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
	case !halberd.ValidResource(resource):
		s.err = s.refuse("This resource cannot be named so")
	case !s.allows(resource):
		s.err = s.refuse("This API key may not act on this resource")
	default:
		s.named = true
	}
	return s.err
}

// SendMsg implements grpc.ServerStream.
func (s *namedStream) SendMsg(m any) error {
	s.mu.Lock()
	if s.err == nil && !s.named {
		s.err = s.refuse("Nothing is sent before it is known about what")
	}
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

func (s *namedStream) refused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
