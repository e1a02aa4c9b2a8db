package nodes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Duration is written as Go writes it ("1.5s", "2m"); a bare 0 is accepted too.
type Duration time.Duration

func (d *Duration) UnmarshalJSON(b []byte) error {
	if string(b) == "0" {
		*d = 0
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("a duration is a text such as \"1.5s\", not %s", b)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return fmt.Errorf("a duration is a text such as \"1.5s\", not %q", text)
	}
	*d = Duration(parsed)
	return nil
}

func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// parseCatalogue reads the text of images.yaml. An unknown field is an error.
func parseCatalogue(text string) ([]Behaviour, error) {
	var entries []Behaviour
	if err := yaml.UnmarshalStrict([]byte(text), &entries); err != nil {
		return nil, fmt.Errorf("images.yaml: %w", err)
	}
	for i, entry := range entries {
		if err := entry.validate(); err != nil {
			return nil, fmt.Errorf("images.yaml: entry %d (%s): %w", i, entry.Image, err)
		}
	}
	return entries, nil
}

func (b Behaviour) validate() error {
	switch {
	case b.Image == "":
		return fmt.Errorf("image: name an image, or a prefix with a trailing *")
	case strings.Contains(strings.TrimSuffix(b.Image, "*"), "*"):
		return fmt.Errorf("image: only one trailing * is understood")
	case b.Digest != "" && !isDigest(b.Digest):
		return fmt.Errorf("digest: write sha256: and 64 hexadecimal digits")
	case !slices.Contains([]PullFailure{"", PullNotFound, PullUnauthorized, PullTransient, PullInvalidName, PullNever}, b.Pull.Fail):
		return fmt.Errorf("pull.fail: %q is none of notFound, unauthorized, transient, invalidName, never", b.Pull.Fail)
	case b.Start.ConfigError != "" && b.Start.CreateError != "":
		return fmt.Errorf("start: set configError or createError, not both")
	}
	for i, a := range b.HTTP {
		if err := a.validate(); err != nil {
			return fmt.Errorf("http[%d]: %w", i, err)
		}
	}
	return nil
}

func (a Answer) validate() error {
	statuses := []int{a.Status}
	if a.FailFirst != nil {
		statuses = append(statuses, a.FailFirst.Status)
	}
	if a.TurnsBad != nil {
		statuses = append(statuses, a.TurnsBad.Status)
	}
	for _, status := range statuses {
		if status != 0 && (status < 200 || status > 599) {
			return fmt.Errorf("status: %d is not between 200 and 599", status)
		}
	}
	switch {
	case a.Path == "":
		return fmt.Errorf("path: name a path, or a prefix with a trailing *")
	case a.FailFirst != nil && a.FailFirst.Times < 1:
		return fmt.Errorf("failFirst.times: must be at least 1")
	case len(a.Body)*a.Repeat > 64<<20:
		return fmt.Errorf("repeat: the body would be over 64 MiB")
	}
	return nil
}

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
