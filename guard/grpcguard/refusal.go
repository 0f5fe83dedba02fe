package grpcguard

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/halberdhq/halberd/guard"
)

// Status is a refusal as gRPC says it: InvalidArgument, Unauthenticated,
// PermissionDenied, ResourceExhausted or Unavailable, with the time to wait as
// a google.rpc.RetryInfo where there is one. It tells the caller nothing that
// the refusal's Message does not.
func Status(why guard.Refusal) error {
	code := codes.Unavailable // also of what this package does not know
	switch why.Status {
	case 400:
		code = codes.InvalidArgument
	case 401:
		code = codes.Unauthenticated
	case 403:
		code = codes.PermissionDenied
	case 429:
		code = codes.ResourceExhausted
	}
	s := status.New(code, why.Message)
	if why.RetryAfter > 0 {
		if told, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(why.RetryAfter)}); err == nil {
			s = told
		}
	}
	return s.Err()
}

func forbidden(message string) *guard.Refusal {
	return &guard.Refusal{Status: 403, Code: "FORBIDDEN", Message: message}
}
