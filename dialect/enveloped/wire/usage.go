package wire

import "time"

// Usage is a series: how often each verdict fell, step by step.
type Usage struct {
	From     time.Time        `json:"from" doc:"The start of the first point"`
	To       time.Time        `json:"to" doc:"The end of the last point"`
	Step     string           `json:"step" enum:"minute,hour,day"`
	KeptFrom *time.Time       `json:"kept_from" doc:"Counts by this step from before are no longer kept: a longer step may have them. null: all are"`
	Series   []UsagePoint     `json:"series" nullable:"false" doc:"Every point, also where nothing was counted"`
	Total    map[string]int64 `json:"total" nullable:"false" doc:"By the code of the verdict"`
}

// UsagePoint is one step of a series.
type UsagePoint struct {
	Start  time.Time        `json:"start"`
	Counts map[string]int64 `json:"counts" nullable:"false" doc:"By the code of the verdict; what did not fall is left out" example:"{\"VALID\":9}"`
}
