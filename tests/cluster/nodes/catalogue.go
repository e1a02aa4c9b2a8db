package nodes

import (
	"cmp"
	"slices"
	"strings"
)

// PullFailure says how pulling an image ends.
type PullFailure string

const (
	PullNotFound     PullFailure = "notFound"
	PullUnauthorized PullFailure = "unauthorized"
	PullTransient    PullFailure = "transient"
	PullInvalidName  PullFailure = "invalidName"
	PullNever        PullFailure = "never" // the pull hangs for as long as the catalogue says so
)

// Behaviour is one entry of the catalogue: what one image, or all images with a prefix, do.
// Its zero value is a healthy image. Durations are real time.
type Behaviour struct {
	Image         string   `json:"image"`                   // "repository:tag", or a prefix with a trailing "*"
	Digest        string   `json:"digest,omitempty"`        // "sha256:..."; default: made from the image's name
	ReportedImage string   `json:"reportedImage,omitempty"` // status.image in the place of the pod's own; default: the pod's own
	Pull          Pull     `json:"pull,omitempty"`
	Start         Start    `json:"start,omitempty"`
	Run           *Run     `json:"run,omitempty"`    // absent: the process stays up (init containers and Jobs: ends with 0)
	Job           *Run     `json:"job,omitempty"`    // in a Job's pods, instead of Run
	Output        string   `json:"output,omitempty"` // what its log says; ${image}, ${tag} and ${pod} are filled in
	Ready         Ready    `json:"ready,omitempty"`
	Stop          Stop     `json:"stop,omitempty"`
	HTTP          []Answer `json:"http,omitempty"`
}

// Pull says how the image is pulled: after Delay it fails as Fail says, Times times in each pod (0: always).
type Pull struct {
	Fail    PullFailure `json:"fail,omitempty"`
	Times   int         `json:"times,omitempty"`
	Delay   Duration    `json:"delay,omitempty"`
	Message string      `json:"message,omitempty"` // default: as containerd 2.4 writes it
}

func (p Pull) fails(earlier int) bool {
	return p.Fail != "" && (p.Times == 0 || earlier < p.Times)
}

// Start says how the container is created from the pulled image. At most one of the errors is set.
type Start struct {
	Delay       Duration `json:"delay,omitempty"`
	ConfigError string   `json:"configError,omitempty"` // CreateContainerConfigError with this message
	CreateError string   `json:"createError,omitempty"` // CreateContainerError with this message
}

// Run says how the process ends: After its start, Times times in each pod (0: always), then it stays up.
type Run struct {
	ExitCode  *int32   `json:"exitCode,omitempty"` // default 1; 137 with OOMKilled
	After     Duration `json:"after,omitempty"`    // default 0: at once
	OOMKilled bool     `json:"oomKilled,omitempty"`
	Times     int      `json:"times,omitempty"`
}

// Ready delays or denies readiness, beside what a readiness probe finds.
type Ready struct {
	Never bool     `json:"never,omitempty"`
	Delay Duration `json:"delay,omitempty"`
}

// Stop says how long the process goes on after SIGTERM, at most the pod's grace period.
type Stop struct {
	Delay Duration `json:"delay,omitempty"`
}

// Answer is what a path says. Without an Answer for it a path says 200 and {"status":"healthy"}.
type Answer struct {
	Port      int32             `json:"port,omitempty"` // default: every port
	Path      string            `json:"path"`           // exact, or a prefix with a trailing "*"
	Status    int               `json:"status,omitempty"`
	Body      string            `json:"body,omitempty"` // ${image}, ${tag} and ${pod} are filled in
	Repeat    int               `json:"repeat,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Delay     Duration          `json:"delay,omitempty"`
	FailFirst *FailFirst        `json:"failFirst,omitempty"`
	TurnsBad  *TurnsBad         `json:"turnsBad,omitempty"`
	Redirect  string            `json:"redirect,omitempty"` // Location; Status defaults to 302 then
}

// FailFirst makes the first Times answers of each pod fail.
type FailFirst struct {
	Times  int    `json:"times"`
	Status int    `json:"status,omitempty"` // default 503
	Body   string `json:"body,omitempty"`
}

// TurnsBad changes the answer once the container has been up for After.
type TurnsBad struct {
	After  Duration `json:"after"`
	Status int      `json:"status,omitempty"` // default 503
	Body   string   `json:"body,omitempty"`
}

// Catalogue answers what an image does. It is never changed after it was made.
type Catalogue struct {
	byNamespace map[string][]Behaviour
	all         []Behaviour
}

// newCatalogue sorts the entries so that the first match is the one that counts: the longest pattern, an exact
// name before a prefix.
func newCatalogue(byNamespace map[string][]Behaviour) *Catalogue {
	c := &Catalogue{byNamespace: map[string][]Behaviour{}}
	for _, namespace := range sortedKeys(byNamespace) {
		entries := slices.Clone(byNamespace[namespace])
		slices.SortStableFunc(entries, moreSpecific)
		c.byNamespace[namespace] = entries
		c.all = append(c.all, entries...)
	}
	slices.SortStableFunc(c.all, moreSpecific)
	return c
}

// Lookup finds what the image does for a pod in the namespace: an entry of that namespace if one matches, else one
// of any other, else the image is healthy.
func (c *Catalogue) Lookup(namespace, image string) Behaviour {
	for _, entries := range [][]Behaviour{c.byNamespace[namespace], c.all} {
		for _, entry := range entries {
			if matches(entry.Image, image) {
				return entry
			}
		}
	}
	return Behaviour{Image: image}
}

// answerFor finds the most specific answer for a request.
func (b Behaviour) answerFor(port int32, path string) Answer {
	var best Answer
	found := false
	for _, a := range b.HTTP {
		if (a.Port != 0 && a.Port != port) || !matches(a.Path, path) {
			continue
		}
		if !found || moreSpecificPattern(a.Path, best.Path) < 0 || (a.Path == best.Path && a.Port != 0 && best.Port == 0) {
			best, found = a, true
		}
	}
	return best
}

func matches(pattern, s string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(s, prefix)
	}
	return pattern == s
}

func moreSpecific(a, b Behaviour) int { return moreSpecificPattern(a.Image, b.Image) }

func moreSpecificPattern(a, b string) int {
	plainA, prefixA := strings.CutSuffix(a, "*")
	plainB, prefixB := strings.CutSuffix(b, "*")
	if n := cmp.Compare(len(plainB), len(plainA)); n != 0 {
		return n
	}
	switch {
	case prefixA == prefixB:
		return 0
	case prefixB:
		return -1
	default:
		return 1
	}
}
