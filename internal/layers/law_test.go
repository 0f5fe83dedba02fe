package layers

// room is one line of the import law.
type room struct {
	path string // the folder; "." is the ground
	// may lists what the room may import besides the standard library: other
	// rooms by folder (exactly that one), third-party modules by path (with all
	// their packages).
	may string
	// planned rooms need not exist yet. Drop the mark when the room is built.
	planned bool
}

// The law. Arrows point down only, nothing imports sideways, only the roof
// sees everything. A folder with Go files and no line here fails, and so does a
// line without a folder.
var rooms = []room{
	// Cellar: mechanisms that know nothing about API keys.
	{path: "internal/typeid"},
	{path: "internal/keytext"},
	{path: "internal/index"},
	{path: "internal/gcra"},
	{path: "internal/tally", may: "internal/index"}, // for its Array, which grows while it is read
	{path: "internal/planted"},                      // bugs for the simulation; nothing at all without the build tag planted
	{path: "internal/password", may: "github.com/alexedwards/argon2id"},
	{path: "internal/volume"},
	{path: "internal/volume/simulate", may: "internal/volume"}, // a command: what the method is good for
	{path: "internal/fastlane", may: "github.com/valyala/fasthttp"},

	// Ground: the words, the rules, the ports, the Service.
	{path: ".", may: "internal/planted internal/typeid internal/keytext internal/index internal/gcra internal/tally internal/volume github.com/google/uuid"},

	// Adapters: each fills one port.
	{path: "storage/internal/changes", may: "."}, // what the engines share
	{path: "storage/internal/keeper", may: "."},
	{path: "storage/memory", may: ". internal/planted storage/internal/changes"},
	{path: "storage/sqlite", may: ". storage/internal/changes storage/internal/keeper modernc.org/sqlite github.com/pressly/goose/v3"},
	{path: "storage/postgres", may: ". storage/internal/changes storage/internal/keeper github.com/jackc/pgx/v5 github.com/pressly/goose/v3"},
	{path: "storage/storagetest", may: "."}, // the contract; imported by tests only
	{path: "limits/redis", may: ". github.com/redis/rueidis"},
	{path: "notify", may: ". github.com/wneessen/go-mail github.com/standard-webhooks/standard-webhooks/libraries github.com/go-json-experiment/json"},
	{path: "jobs", may: ". github.com/riverqueue/river github.com/riverqueue/river/riverdriver github.com/riverqueue/river/riverdriver/riverpgxv5 " +
		"github.com/riverqueue/river/riverdriver/riversqlite github.com/riverqueue/river/rivertype github.com/jackc/pgx/v5 modernc.org/sqlite"},

	// Surfaces: each speaks one language and knows only the ground.
	{path: "internal/ratefield", may: "."}, // the fields RateLimit and RateLimit-Policy
	{path: "internal/request", may: ". internal/ratefield github.com/go-json-experiment/json"},
	{path: "guard", may: ". internal/request internal/ratefield"},
	{path: "guard/grpcguard", may: ". guard internal/ratefield google.golang.org/grpc google.golang.org/genproto/googleapis/rpc google.golang.org/protobuf"},
	{path: "dialect/enveloped/wire"},
	{path: "dialect/enveloped", may: ". internal/request dialect/enveloped/wire"},
	{path: "dialect/plain", may: ". internal/request"},
	{path: "dialect/apidoc", may: ". internal/request dialect/enveloped dialect/plain gateway github.com/danielgtaylor/huma/v2 github.com/swaggest/swgui"}, // describes them
	{path: "gateway", may: ". internal/request internal/ratefield go.yaml.in/yaml/v3"},
	{path: "gateway/extauthz", may: ". gateway internal/request internal/ratefield github.com/envoyproxy/go-control-plane/envoy google.golang.org/grpc google.golang.org/genproto/googleapis/rpc google.golang.org/protobuf"},
	{path: "console", may: ". internal/request github.com/alexedwards/scs/v2"},
	{path: "console/openid", may: ". github.com/coreos/go-oidc/v3 golang.org/x/oauth2"}, // where people sign in; fills a port of console
	{path: "client", may: ". dialect/enveloped/wire"},
	{path: "cli", may: "dialect/enveloped/wire client github.com/spf13/cobra github.com/spf13/pflag github.com/zalando/go-keyring go.yaml.in/yaml/v3 golang.org/x/term"},

	// Roof: wiring only.
	{path: "server", may: everythingButCLI + " examples/hookshop github.com/spf13/cobra github.com/spf13/pflag go.yaml.in/yaml/v3 github.com/prometheus/client_golang " + tracing},
	{path: "cmd/hb", may: "cli server"},

	// Tests: rooms that no room above may import.
	{path: "internal/layers"},
	{path: "internal/fixture", may: ". storage/memory internal/password"},
	{path: "internal/redistest"},                              // a Redis of a test's own
	{path: "internal/pgtest", may: "github.com/jackc/pgx/v5"}, // a private PostgreSQL
	{path: "dialect"}, // the dialects together, over HTTP
	{path: "docs"},    // the documents' examples, run
	{path: "bench", may: "google.golang.org/grpc google.golang.org/protobuf github.com/envoyproxy/go-control-plane/envoy"}, // the doors of a running server, measured from outside

	{path: "prove"},            // the proof of revocation on many nodes: servers, a PostgreSQL and faults, judged from outside
	{path: "prove/simulation"}, // the real code of three nodes, where time and everything that breaks are simulated

	// Examples: programs of others, as they would write them.
	{path: "examples/hookshop", may: ". guard"},
	{path: "examples/hookshop/consumer"},
	{path: "examples/hookshop/cmd/hookbase", may: "examples/hookshop/consumer"},
	{path: "examples/hookshop/cmd/aphids-cli", may: "examples/hookshop/consumer"},
	{path: "examples/webhooks", may: "github.com/standard-webhooks/standard-webhooks/libraries"}, // a receiver of events
	{path: "examples/embed", may: ". guard storage/sqlite"},                                      // the library in a program of one's own
	{path: "examples/gateways"},                                                                  // gateways before an API, run
	{path: "examples/samples"},                                                                   // the documents' samples, run by curl, node and Python
}

// tracing is the server's, and nobody else's: 21 modules come with it.
const tracing = "go.opentelemetry.io/otel go.opentelemetry.io/otel/sdk go.opentelemetry.io/otel/trace " +
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp go.opentelemetry.io/proto/otlp google.golang.org/protobuf"

const everythingButCLI = `
	. internal/request internal/password internal/fastlane guard gateway gateway/extauthz console console/openid client
	dialect/enveloped dialect/enveloped/wire dialect/plain dialect/apidoc
	storage/memory storage/sqlite storage/postgres limits/redis notify jobs`

// word is a further word of the law, about one import of the standard library.
type word struct {
	pkg string
	// only lists the rooms, or single files, that may import it; empty is nobody.
	only string
	// never turns the word round: all may but these.
	never string
	why   string
}

var words = []word{
	{pkg: "database/sql", only: "storage/sqlite storage/postgres jobs", why: "only an engine speaks SQL, and river, who is handed a database"},
	{pkg: "net/http", only: surfaces, why: "only a surface speaks HTTP"},
	{pkg: "unsafe", only: "secret.go seal.go internal/keytext/keytext.go server/planted_on.go", why: "a secret hides behind a pointer there and is read without a copy, a clock of the tests is set, and nothing else needs it"},
	{pkg: "math/rand", why: "a value that can be guessed is no secret; use crypto/rand"},
	{pkg: "math/rand/v2", why: "a value that can be guessed is no secret; use crypto/rand"},
	{pkg: "encoding/json", never: "internal/request", why: "it accepts duplicate names, other letter cases and trailing documents"},
	{pkg: "text/template", why: "it does not escape; use html/template"},
	{pkg: "testing", only: "storage/storagetest internal/fixture internal/pgtest internal/redistest", why: "it adds flags to the program"},
	{pkg: "log", why: "a log/slog.Logger is passed in"},
	{pkg: "flag", only: "examples/hookshop/cmd/aphids-cli", why: "its flags are global; the command line is cobra's"},
	{pkg: "expvar", why: "it registers a public page by itself"},
	{pkg: "net/http/pprof", only: "server", why: "it registers public pages by itself"},
	{pkg: "os", never: cellarAndGround, why: "the rules read no files and no environment"},
	{pkg: "net", never: cellarAndGround, why: "the rules open no connections"},
	{pkg: "crypto/md5", why: "broken"},
	{pkg: "crypto/sha1", why: "broken"},
	{pkg: "crypto/des", why: "broken"},
	{pkg: "crypto/rc4", why: "broken"},
	{pkg: "C", why: "one static binary"},
}

const (
	surfaces = "internal/request internal/fastlane guard dialect/enveloped dialect/plain dialect/apidoc gateway console console/openid client cli " +
		"notify server internal/fixture examples/hookshop examples/hookshop/consumer examples/embed examples/webhooks"
	cellarAndGround = ". internal/planted internal/typeid internal/keytext internal/index internal/gcra internal/tally internal/volume"
)

// A test file may also import every room but cmd/hb (an engine to run on, the
// contract, a fixture), the modules below, and all of the standard library
// except what is listed here.
const (
	testMay = `
		github.com/rogpeppe/go-internal/testscript golang.org/x/tools/txtar
		pgregory.net/rapid github.com/anishathalye/porcupine go.uber.org/goleak
		github.com/google/go-cmp github.com/getkin/kin-openapi github.com/chromedp/chromedp
		github.com/chromedp/cdproto github.com/alicebob/miniredis/v2 github.com/coreos/go-oidc/v3/oidc/oidctest github.com/throttled/throttled/v2
		github.com/coder/websocket github.com/dunglas/httpsfv github.com/standard-webhooks/standard-webhooks/libraries github.com/jackc/pgx/v5
		github.com/envoyproxy/go-control-plane/envoy google.golang.org/grpc google.golang.org/protobuf go.yaml.in/yaml/v3`
	testNever = "C net/http/pprof expvar"
)

// Folders with a go.mod of their own are other modules: the law does not reach
// in, so each is named.
const nestedModules = "tools examples/frameworks"

// Package-level variables that hold state, and why each may. All others must
// be as good as constants: given a value where they are declared, and never
// written again.
var globals = map[string]string{
	"internal/planted: now": "which bug the simulation has planted; with the build tag planted only",
}

// Variables of other packages that may be written, as "room: package.Name".
var foreignGlobals = map[string]string{}

// sqliteLibc names, for each release of modernc.org/sqlite, the one release of
// modernc.org/libc it works with: the one its own go.mod names.
var sqliteLibc = map[string]string{
	"v1.60.1": "v1.77.1",
}
