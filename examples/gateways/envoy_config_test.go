package gateways_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	ext_authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// Envoy is no Debian package. Its configuration is a message of its protocol,
// and is read here as such: a name that Envoy does not know, a value that it
// refuses, and a filter that lets through what was not judged, are found.
func TestEnvoysConfigurationsAreEnvoys(t *testing.T) {
	names, err := filepath.Glob("envoy/*.yaml")
	if err != nil || len(names) != 2 {
		t.Fatalf("%v %v", names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			m := readEnvoy(t, name)
			guarded := 0
			for _, l := range m.GetStaticResources().GetListeners() {
				for _, c := range l.GetFilterChains() {
					for _, f := range c.GetFilters() {
						guarded += judged(t, f.GetTypedConfig())
					}
				}
			}
			if guarded != 1 {
				t.Errorf("%d ways in are judged, want the one there is", guarded)
			}
		})
	}
}

// judged is 1 where requests of an HTTP connection manager are judged first of
// all, and refused when there is no answer.
func judged(t *testing.T, a *anypb.Any) int {
	t.Helper()
	var m hcmv3.HttpConnectionManager
	if err := a.UnmarshalTo(&m); err != nil {
		t.Fatal(err)
	}
	var f ext_authzv3.ExtAuthz
	if err := m.GetHttpFilters()[0].GetTypedConfig().UnmarshalTo(&f); err != nil {
		t.Fatal(err)
	}
	if f.GetFailureModeAllow() || m.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction() != 1 ||
		!m.GetNormalizePath().GetValue() || !m.GetMergeSlashes() || m.GetPathWithEscapedSlashesAction() != hcmv3.HttpConnectionManager_REJECT_REQUEST {
		t.Errorf("it lets through what it should not: %s", protojson.Format(&m))
	}
	if h := f.GetHttpService(); h != nil {
		for _, name := range identity {
			found := false
			for _, p := range h.GetAuthorizationResponse().GetAllowedUpstreamHeaders().GetPatterns() {
				found = found || p.GetExact() == lower(name)
			}
			if !found {
				t.Errorf("%s of the client would reach the API", name)
			}
		}
	}
	return 1
}

// readEnvoy reads a bootstrap file and every message within it.
func readEnvoy(t *testing.T, name string) *bootstrapv3.Bootstrap {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	var m bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	validate(t, &m)
	return &m
}

// validate asks every message whether its values are possible.
func validate(t *testing.T, m proto.Message) {
	t.Helper()
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			t.Errorf("%s: %v", m.ProtoReflect().Descriptor().FullName(), err)
		}
	}
	if a, ok := m.(*anypb.Any); ok {
		inner, err := a.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		validate(t, inner)
		return
	}
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				validate(t, v.Message().Interface())
				return true
			})
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				validate(t, v.List().Get(i).Message().Interface())
			}
		case f.Message() != nil && !f.IsMap():
			validate(t, v.Message().Interface())
		}
		return true
	})
}
