package nodes

import (
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLookup(t *testing.T) {
	parse := func(text string) []Behaviour {
		entries, err := parseCatalogue(text)
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	c := newCatalogue(map[string][]Behaviour{
		"shop":  parse(`[{image: "app:*"}, {image: "app:v1*"}, {image: "app:v1"}, {image: "*"}]`),
		"other": parse(`[{image: "app:v1-longer"}, {image: "db:*", start: {delay: 2s}}]`),
	})
	for _, row := range []struct{ namespace, image, want string }{
		{"shop", "app:v1", "app:v1"},                // exact before prefix
		{"shop", "app:v12", "app:v1*"},              // the longest prefix
		{"shop", "app:v2", "app:*"},                 //
		{"shop", "web:v2", "*"},                     //
		{"shop", "app:v1-longer", "app:v1*"},        // its own namespace before a longer match elsewhere
		{"third", "app:v1-longer", "app:v1-longer"}, // any namespace when its own says nothing
		{"other", "db:7", "db:*"},
	} {
		if got := c.Lookup(row.namespace, row.image).Image; got != row.want {
			t.Errorf("%s in %s: found %q, want %q", row.image, row.namespace, got, row.want)
		}
	}
	healthy := newCatalogue(nil).Lookup("shop", "app:v1")
	if healthy.Pull.Fail != "" || healthy.Run != nil || healthy.Ready.Never || len(healthy.HTTP) != 0 {
		t.Errorf("an image that is not listed must be healthy: %+v", healthy)
	}
}

func TestBadCataloguesNameTheField(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{`[{image: "app:v1", pul: {}}]`, `unknown field`},
		{`[{pull: {fail: notFound}}]`, `image:`},
		{`[{image: "a*p*"}]`, `image: only one trailing *`},
		{`[{image: app, digest: "sha256:12"}]`, `digest:`},
		{`[{image: app, pull: {fail: gone}}]`, `pull.fail: "gone"`},
		{`[{image: app, pull: {delay: 5}}]`, `not 5`},
		{`[{image: app, pull: {delay: -5s}}]`, `not "-5s"`},
		{`[{image: app, start: {configError: a, createError: b}}]`, `start:`},
		{`[{image: app, http: [{status: 200}]}]`, `http[0]: path:`},
		{`[{image: app, http: [{path: /, status: 99}]}]`, `http[0]: status: 99`},
		{`[{image: app, http: [{path: /, failFirst: {status: 500}}]}]`, `http[0]: failFirst.times`},
	} {
		if _, err := parseCatalogue(row.text); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %s", row.text, err, row.want)
		}
	}
}

func TestAStoreKeepsTheLastGoodCatalogue(t *testing.T) {
	changes := 0
	s := NewStore(func() { changes++ })
	m := func(version, text string) *v1.ConfigMap {
		return &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "images", ResourceVersion: version}, Data: map[string]string{catalogueKey: text}}
	}
	delay := func() time.Duration { return time.Duration(s.Catalogue().Lookup("shop", "app:v1").Pull.Delay) }
	s.Put(m("1", `[{image: "app:v1", pull: {delay: 3s}}]`))
	s.Put(m("2", `[{image: "app:v1", pull: {delay: soon}}]`))
	if report := s.Report()["shop/images"]; delay() != 3*time.Second || report.ResourceVersion != "2" || report.Error == "" {
		t.Errorf("after a bad edit: %v %+v", delay(), report)
	}
	s.Remove(m("2", ""))
	if delay() != 0 || len(s.Report()) != 0 || changes != 3 {
		t.Errorf("after the removal: %v, %d changes", delay(), changes)
	}
}
