package gateway

import "time"

// fault is something wrong with how a gateway, or the server for it, is set up.
type fault int

const (
	faultNoProject fault = iota
	faultUnknownProject
	faultTwoProjects
	faultNothingAsked
	faultNotForwarded
	faultNoHost
	faultQuery
	faultClientsQuery
	faults
)

// remedies say what to do about each fault.
var remedies = [faults]string{
	faultNoProject:      "no project is named, and there is not exactly one that is active: add ?project=prj_… to the URL that the gateway asks, or name it in the policy",
	faultUnknownProject: "the project that is named does not exist or is suspended: see hb projects list",
	faultTwoProjects:    "the URL that the gateway asks names one project and the policy another",
	faultNothingAsked:   "nothing says what a key must be good for: add ?scopes= to the URL that the gateway asks, give a policy, or name the gateway in trusted_proxies so that the method it forwards is believed",
	faultNotForwarded:   "the policy needs the method and the path of each request, from a proxy that is named in trusted_proxies: see docs/guide/gateways.md for the headers",
	faultNoHost:         "the policy names hosts, and needs the host of each request: let the gateway forward it, see docs/guide/gateways.md for the headers",
	faultQuery:          "the query of the URL that the gateway asks must be project, scopes and resource, each well formed",
	faultClientsQuery:   "the gateway asks with its client's own query: end the URL that it asks with a query of your own, such as ?project=prj_…",
}

// complain logs a fault, at most once a minute: any client can bring it about
// as often as it likes.
func (d *Doors) complain(f fault) {
	minute := time.Now().Unix() / 60
	if last := d.said[f].Load(); last == minute || !d.said[f].CompareAndSwap(last, minute) {
		return
	}
	d.log.Warn("a gateway's request was refused with 401 because of how it is set up", "why", remedies[f])
}
