package enveloped

import (
	"errors"
	"fmt"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// VerifyKeys is wire.VerifyBatch as the server reads it.
type VerifyKeys struct {
	Checks []VerifyKey `json:"checks" nullable:"false" minItems:"1" maxItems:"100"`
}

const maxBatch = 100

func verifyBatch(c *request.Call, raw, answer []byte) ([]byte, error) {
	var body VerifyKeys
	if err := request.DecodeList(raw, &body); err != nil {
		return answer, err
	}
	if len(body.Checks) < 1 || len(body.Checks) > maxBatch {
		return answer, halberd.Invalid("checks", "must hold 1 to %d checks", maxBatch)
	}
	checks := make([]halberd.Check, len(body.Checks))
	for i := range checks {
		var err error
		if checks[i], err = checkIn(&body.Checks[i], nil); err != nil {
			return answer, ofCheck(i, err)
		}
	}
	answer = append(answer, `{"data":[`...)
	next := 0
	at, err := c.Service.VerifyBatch(c.Context(), c.Actor, checks, func(v *halberd.Verdict) (err error) {
		include := body.Checks[next].Include
		next++
		if v.KeyID.IsZero() || len(include) == 0 {
			answer, err = appendData(answer, v)
		} else if w, e := described(c, v, include); e == nil {
			answer, err = request.Encode(answer, w)
		} else {
			err = e
		}
		answer = append(answer, ',')
		return err
	})
	if err != nil {
		return answer, ofCheck(at, err)
	}
	return appendMeta(closed(answer), c.ID), nil
}

// ofCheck says which check a refusal of a field is about; a negative one is none.
func ofCheck(i int, err error) error {
	e, ok := errors.AsType[*halberd.Error](err)
	if !ok || e.Field == "" || i < 0 {
		return err
	}
	return halberd.Invalid(fmt.Sprintf("checks[%d].%s", i, e.Field), "%s", strings.TrimPrefix(e.Message, e.Field+" "))
}
