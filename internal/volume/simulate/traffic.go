package main

import "math"

// dice are numbers that look random and are the same with every release of Go.
type dice uint64

func (d *dice) next() uint64 { // SplitMix64
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) unit() float64                { return float64(d.next()>>11) / (1 << 53) }
func (d *dice) between(a, b float64) float64 { return a + (b-a)*d.unit() }
func (d *dice) chance(p float64) bool        { return d.unit() < p }
func (d *dice) below(n int) int              { return int(d.next() % uint64(n)) }

func (d *dice) normal() float64 {
	return math.Sqrt(-2*math.Log(1-d.unit())) * math.Cos(2*math.Pi*d.unit())
}

// gamma has the mean 1 and the given shape (Marsaglia and Tsang's method).
func (d *dice) gamma(shape float64) float64 {
	if shape < 1 {
		return d.gamma(shape+1) * (shape + 1) / shape * math.Pow(d.unit(), 1/shape)
	}
	a := shape - 1.0/3
	for {
		x := d.normal()
		v := math.Pow(1+x/math.Sqrt(9*a), 3)
		if v > 0 && math.Log(1-d.unit()) < x*x/2+a-a*v+a*math.Log(v) {
			return a * v / shape
		}
	}
}

func (d *dice) poisson(mean float64) uint32 {
	if mean > 50 {
		return uint32(max(0, math.Round(mean+math.Sqrt(mean)*d.normal())))
	}
	n, p, end := uint32(0), d.unit(), math.Exp(-mean)
	for ; p > end; n++ {
		p *= d.unit()
	}
	return n
}

// key is one simulated key: what it would be asked a minute, and how that leaps.
type key struct {
	dice
	kind  string
	mean  float64 // requests a minute
	daily float64 // how deep its nights are, 0 to 1
	phase float64 // of its day, in hours
	rest  float64 // what is left of it at weekends
	grows float64 // a day
	slow  float64 // deviation of its slow noise
	fast  float64 // variation of its minutes beyond chance

	at    int     // the minute of a cron job, or of the day of a batch
	size  float64 // how many times its mean that is
	shift int     // the day after which another level holds
	to    float64 // which

	drift float64
	batch int // minutes that a batch goes on
}

// kinds are how many of a thousand keys live how.
var kinds = [...]struct {
	name string
	of   int
}{
	{"people", 450},   // follows the day and the week
	{"machines", 150}, // the same day and night
	{"office", 100},   // begins and ends with the clock
	{"cron", 100},     // leaps each hour
	{"nightly", 50},   // a batch each night, not quite at the same time
	{"weekly", 50},    // a batch each week
	{"growing", 40},   // two percent a day
	{"deployed", 30},  // another level from one day on
	{"sparse", 30},    // nothing, then a batch, whenever
}

func newKey(n int, seed uint64) *key {
	k := &key{dice: dice(seed*1_000_003 + uint64(n)*7919)}
	at := n % 1000
	for _, kind := range kinds {
		if k.kind = kind.name; at < kind.of {
			break
		}
		at -= kind.of
	}
	k.mean = math.Exp(k.between(math.Log(0.5), math.Log(1000)))
	k.daily, k.phase, k.rest = k.between(0, 0.95), k.between(0, 24), k.between(0.15, 1)
	k.slow, k.fast = k.between(0.05, 0.25), k.between(0, 0.35)
	k.at, k.size = k.below(60), k.between(3, 15)
	switch k.kind {
	case "machines":
		k.daily, k.rest = 0, 1
	case "growing":
		k.grows = 0.02
	case "deployed":
		k.shift, k.to = 15+k.below(40), k.between(1.3, 2)
	case "nightly", "weekly":
		k.at = 60 + k.below(22*60)
		k.size = k.between(3, 40)
	case "sparse":
		k.size = k.between(50, 500)
	}
	return k
}

// rate is what is to be expected of a minute, and moves the key's noise on.
func (k *key) rate(minute int) float64 {
	hour, today, weekday := float64(minute%1440)/60, minute/1440, minute/1440%7
	const keeps = 0.99 // of the slow noise, a minute
	k.drift = keeps*k.drift + math.Sqrt(1-keeps*keeps)*k.slow*k.normal()
	r := k.mean * math.Exp(k.drift)
	weekend := weekday >= 5
	if weekend {
		r *= k.rest
	}
	switch k.kind {
	case "sparse":
		if k.batch == 0 && k.chance(1.0/1440/1.5) {
			k.batch = 3 + k.below(20)
		}
		if k.batch > 0 {
			k.batch--
			return k.size * math.Exp(k.drift)
		}
		return 0
	case "office":
		if h := math.Mod(hour+k.phase, 24); h > 9 || weekend {
			return r * 0.02
		}
		return r
	}
	r *= 1 + k.daily*math.Sin(2*math.Pi*(hour+k.phase)/24)
	r *= 1 + k.grows*float64(today)
	if k.shift > 0 && today >= k.shift {
		r *= k.to
	}
	switch k.kind {
	case "cron":
		if minute%60 == k.at {
			r *= k.size
		}
	case "nightly", "weekly":
		if minute%1440 == k.at && (k.kind == "nightly" || weekday == 2) {
			k.batch = 10 + k.below(20)
		} else if k.batch > 0 {
			k.batch--
			r += k.mean * k.size
		}
	}
	return r
}

// count is what a minute of that rate brings.
func (k *key) count(rate float64) uint32 {
	if k.fast > 0.02 {
		rate *= k.gamma(1 / (k.fast * k.fast))
	}
	return k.poisson(rate)
}
