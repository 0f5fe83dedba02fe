package console

// area is one of the two paths under which the console stands, with the words
// of the document that names it.
type area struct {
	name   string // in the path
	Title  string
	Make   string // the button that leads to the form (S1-03, S4-03)
	Submit string // the form's own (S4-06)
	All    string // resources (S1-07)
	Some   string // (S1-08)
	Thing  string // what a resource is, in the plural
}

var areas = [...]area{
	{"settings", "Settings", "Create API Key", "Create", "All resources", "Specific resources", "resources"},
	{"configuration", "Configuration", "Generate", "Generate", "All Engagements", "Specific Engagements", "engagements"},
}

// At is a path of the area.
func (a area) At(rest string) string { return "/" + a.name + rest }
