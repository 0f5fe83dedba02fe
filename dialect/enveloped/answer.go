package enveloped

import (
	"math"
	"strconv"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// appendVerdict writes what request.Encode makes of a verdict in its envelope, to
// the letter.
func appendVerdict(b []byte, v *halberd.Verdict, id string) ([]byte, error) {
	b, err := appendData(append(b, `{"data":`...), v)
	return appendMeta(b, id), err
}

func appendMeta(b []byte, id string) []byte {
	b = append(b, `,"meta":{"request_id":"`...)
	return append(append(b, id...), `"}}`...) // plain, or it is not taken
}

// appendData writes a verdict as wire.Verdict is written.
func appendData(b []byte, v *halberd.Verdict) (_ []byte, err error) {
	b = strconv.AppendBool(append(b, `{"valid":`...), v.Valid())
	b = append(append(b, `,"code":"`...), v.Code...)
	if b, err = request.AppendText(append(b, `","reason":`...), v.Reason); err != nil {
		return b, err
	}
	if v.KeyID.IsZero() {
		return append(b, `,"key_id":null,"external_id":null,"organization_id":null,"project_id":null,"scopes":null,"resources":null,`+
			`"expires_at":null,"rate_limits":null,"quota":null,"retry_after_seconds":null,"revision":null}`...), nil
	}
	b = append(v.KeyID.Append(append(b, `,"key_id":"`...)), `","external_id":`...)
	if v.ExternalID == "" {
		b = append(b, "null"...)
	} else if b, err = request.AppendText(b, v.ExternalID); err != nil {
		return b, err
	}
	b = append(v.Organization.Append(append(b, `,"organization_id":"`...)), `","project_id":`...)
	if v.Project.IsZero() {
		b = append(b, "null"...)
	} else {
		b = append(v.Project.Append(append(b, '"')), '"')
	}
	b = append(b, `,"scopes":[`...)
	b = v.Scopes.Append(b, `"`, `",`) // letters, digits and - . : _ only
	b = append(closed(b), `,"resources":[`...)
	for i := range v.Resources.Len() {
		if b, err = request.AppendText(b, v.Resources.At(i)); err != nil {
			return b, err
		}
		b = append(b, ',')
	}
	b = append(closed(b), `,"expires_at":`...)
	if v.ExpiresAt.IsZero() {
		b = append(b, "null"...)
	} else {
		b = append(v.ExpiresAt.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	}
	b = appendLimits(append(b, `,"rate_limits":[`...), &v.RateLimits)
	b = append(appendQuota(append(b, `,"quota":`...), &v.Quota), `,"retry_after_seconds":`...)
	if v.RetryAfter > 0 {
		b = strconv.AppendInt(b, int64(math.Ceil(v.RetryAfter.Seconds())), 10)
	} else {
		b = append(b, "null"...)
	}
	return append(strconv.AppendInt(append(b, `,"revision":`...), v.Revision, 10), '}'), nil
}

func appendQuota(b []byte, q *halberd.Maybe[halberd.QuotaState]) []byte {
	if !q.Set {
		return append(b, "null"...)
	}
	b = append(strconv.AppendInt(append(b, `{"remaining":`...), q.Value.Remaining, 10), `,"refills_at":`...)
	if q.Value.RefillsAt.IsZero() {
		return append(b, "null}"...)
	}
	return append(q.Value.RefillsAt.AppendFormat(append(b, '"'), time.RFC3339Nano), '"', '}')
}

func appendLimits(b []byte, states *halberd.LimitStates) []byte {
	for i := range states.Len() {
		l := states.At(i)
		b = append(append(b, `{"name":"`...), l.Name...) // lower-case letters, digits, - and _ only
		b = strconv.AppendInt(append(b, `","limit":`...), l.Limit, 10)
		b = strconv.AppendInt(append(b, `,"window_seconds":`...), int64(l.Window/time.Second), 10)
		b = strconv.AppendInt(append(b, `,"remaining":`...), l.Remaining, 10)
		b = strconv.AppendInt(append(b, `,"reset_seconds":`...), int64(math.Ceil(l.Reset.Seconds())), 10)
		b = append(b, '}', ',')
	}
	return closed(b)
}

// closed ends a list that has a comma behind each of its items.
func closed(b []byte) []byte {
	if last := len(b) - 1; b[last] == ',' {
		b = b[:last]
	}
	return append(b, ']')
}
