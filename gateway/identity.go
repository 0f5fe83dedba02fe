package gateway

// Identity is who passes, in the order key id, external id, organization id,
// project id, scopes, resources, and the request's id behind them. All but the
// last are empty unless the answer allows. Scopes and resources are parted by
// spaces; an external id is percent-encoded wherever it is more than visible
// ASCII, and where it has a percent sign, so that any decoder of URLs gives it
// back and no header can be split by it.
func (out *Answer) Identity(requestID string) []string {
	const n = len(identityNames) + 1
	values := make([]string, n)
	values[n-1] = requestID
	if !out.Allowed() {
		return values
	}
	v := &out.Verdict
	var room [512]byte
	var ends [n - 1]int
	b := v.KeyID.Append(room[:0])
	ends[0] = len(b)
	b = appendEncoded(b, v.ExternalID)
	ends[1] = len(b)
	b = v.Organization.Append(b)
	ends[2] = len(b)
	b = v.Project.Append(b)
	ends[3] = len(b)
	b = v.Scopes.Append(b, "", " ")
	b = trim(b, ends[3])
	ends[4] = len(b)
	for i := range v.Resources.Len() {
		b = append(append(b, v.Resources.At(i)...), ' ')
	}
	b = trim(b, ends[4])
	ends[5] = len(b)
	all, begin := string(b), 0
	for i, end := range ends {
		values[i] = all[begin:end]
		begin = end
	}
	return values
}

// IdentityHeaders are the names of what Identity tells, in its order.
func IdentityHeaders() []string { return identityNames[:] }

func appendEncoded(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c > ' ' && c <= '~' && c != '%' {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// Count is how many answers of one status a door gave since the start.
type Count struct {
	Door   string
	Status int
	N      int64
}

// Answered counts an answer that extauthz gave.
func (d *Doors) Answered(a *Answer) { d.counts[extAuthz][statusIndex(a.Status)].Add(1) }

// Counts lists them, also those that are 0.
func (d *Doors) Counts() []Count {
	out := make([]Count, 0, int(doorKinds)*len(statuses))
	for at, name := range [doorKinds]string{forward: "forward", nginx: "nginx", prefix: "envoy", extAuthz: "ext_authz"} {
		for i, status := range statuses {
			out = append(out, Count{name, status, d.counts[at][i].Load()})
		}
	}
	return out
}

// trim takes the space off the end of a list that begins at first.
func trim(b []byte, first int) []byte {
	if len(b) > first {
		return b[:len(b)-1]
	}
	return b
}
