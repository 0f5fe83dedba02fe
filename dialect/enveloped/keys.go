package enveloped

import (
	"strings"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func createKey(c *request.Call, body *wire.CreateKey) (out changed[wire.NewSecretKey], err error) {
	n, err := newKey(body)
	if err != nil {
		return out, err
	}
	made, err := c.Service.Create(c.Context(), c.Actor, n)
	if err != nil {
		return out, err
	}
	return changedTo(c, newSecretKey(c, &made), made.Propagation), nil
}

func listKeys(c *request.Call) (out many[wire.Key], err error) {
	q := halberd.KeyQuery{
		Scope: halberd.Scope(c.Query["scope"]), Text: c.Query["q"], ExternalID: c.Query["external_id"], Page: pageOf(c),
	}
	if q.Organization, err = organizationNamed(c.Query["organization_id"]); err != nil {
		return out, err
	}
	if q.Project, err = projectNamed(c.Query["project_id"]); err != nil {
		return out, err
	}
	if q.OwnedBy, err = memberNamed("owned_by", c.Query["owned_by"]); err != nil {
		return out, err
	}
	if states := c.Query["state"]; states != "" {
		for s := range strings.SplitSeq(states, ",") {
			q.States = append(q.States, halberd.State(s))
		}
	}
	for _, at := range []struct {
		param string
		to    *time.Time
	}{{"expires_before", &q.ExpiresBefore}, {"unused_since", &q.UnusedSince}} {
		if text := c.Query[at.param]; text != "" {
			if *at.to, err = request.InstantOrDate(at.param, text); err != nil {
				return out, err
			}
		}
	}
	by, down := strings.CutPrefix(c.Query["sort"], "-")
	q.Sort = halberd.KeySort{By: halberd.SortField(by), Descending: down}

	keys, err := c.Service.List(c.Context(), c.Actor, q)
	if err != nil {
		return out, err
	}
	return manyOf(c, keys.List, keys.Next, renderer(c)), nil
}

func getKey(c *request.Call) (out one[wire.Key], err error) {
	id, err := keyID(c)
	if err != nil {
		return out, err
	}
	k, err := c.Service.Get(c.Context(), c.Actor, id)
	if err != nil {
		return out, err
	}
	return oneOf(c, renderer(c)(&k)), nil
}

func whoAmI(c *request.Call) (out one[wire.WhoAmI], err error) {
	k, err := c.Service.WhoAmI(c.Context(), c.Actor)
	if err != nil {
		return out, err
	}
	states := c.Service.Standing(c.Actor)
	return oneOf(c, wire.WhoAmI{Key: renderer(c)(&k), Limits: limitStates(&states)}), nil
}

func updateKey(c *request.Call, body *wire.UpdateKey) (out changed[wire.Key], err error) {
	id, err := keyID(c)
	if err != nil {
		return out, err
	}
	patch, err := keyPatch(body)
	if err != nil {
		return out, err
	}
	made, err := c.Service.Update(c.Context(), c.Actor, id, patch, c.Version)
	return changedKey(c, made, err)
}

func revokeKey(c *request.Call) (out changed[wire.Key], err error) {
	id, err := keyID(c)
	if err != nil {
		return out, err
	}
	made, err := c.Service.Revoke(c.Context(), c.Actor, id, c.Query["reason"], c.Version)
	return changedKey(c, made, err)
}

func rotateKey(c *request.Call, body *wire.RotateKey) (out changed[wire.NewSecretKey], err error) {
	id, err := keyID(c)
	if err != nil {
		return out, err
	}
	// Beyond its bounds the number is only kept from overflowing: the Service
	// refuses it.
	seconds := min(max(body.OverlapSeconds, -1), int64(halberd.MaxOverlap/time.Second)+1)
	made, err := c.Service.Rotate(c.Context(), c.Actor, id, time.Duration(seconds)*time.Second, c.Version)
	if err != nil {
		return out, err
	}
	return changedTo(c, newSecretKey(c, &made), made.Propagation), nil
}

func endOverlap(c *request.Call) (out changed[wire.Key], err error) {
	id, err := keyID(c)
	if err != nil {
		return out, err
	}
	made, err := c.Service.EndOverlap(c.Context(), c.Actor, id, c.Version)
	return changedKey(c, made, err)
}

func changedKey(c *request.Call, made halberd.Changed, err error) (out changed[wire.Key], _ error) {
	if err != nil {
		return out, err
	}
	return changedTo(c, renderer(c)(&made.Key), made.Propagation), nil
}
