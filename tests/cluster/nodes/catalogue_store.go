package nodes

import (
	"log/slog"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
)

const (
	catalogueLabel = "tidegate.dev/cluster"
	catalogueValue = "images"
	catalogueKey   = "images.yaml"
)

// Store keeps the catalogue that the labelled ConfigMaps of all namespaces make together. A ConfigMap that cannot
// be read keeps what it last said, and is reported.
type Store struct {
	current atomic.Pointer[Catalogue]

	mu      sync.Mutex
	sources map[string]source // by namespace/name
	changed func()
}

type source struct {
	namespace string
	entries   []Behaviour
	SourceReport
}

// SourceReport tells a test which version of a ConfigMap is in force.
type SourceReport struct {
	ResourceVersion string `json:"resourceVersion"`
	Error           string `json:"error,omitempty"`
}

// NewStore calls changed after each change.
func NewStore(changed func()) *Store {
	s := &Store{sources: map[string]source{}, changed: changed}
	s.current.Store(newCatalogue(nil))
	return s
}

func (s *Store) Catalogue() *Catalogue { return s.current.Load() }

// Put reads a ConfigMap.
func (s *Store) Put(m *v1.ConfigMap) {
	key := m.Namespace + "/" + m.Name
	entries, err := parseCatalogue(m.Data[catalogueKey])
	s.mu.Lock()
	next := source{namespace: m.Namespace, entries: entries, SourceReport: SourceReport{ResourceVersion: m.ResourceVersion}}
	if err != nil {
		slog.Error("catalogue not understood, the last good one stays in force", "configmap", key, "error", err)
		next.entries, next.Error = s.sources[key].entries, err.Error()
	}
	s.sources[key] = next
	s.rebuild()
	s.mu.Unlock()
	s.changed()
}

// Remove forgets a ConfigMap.
func (s *Store) Remove(m *v1.ConfigMap) {
	s.mu.Lock()
	delete(s.sources, m.Namespace+"/"+m.Name)
	s.rebuild()
	s.mu.Unlock()
	s.changed()
}

// Report lists the ConfigMaps by namespace/name.
func (s *Store) Report() map[string]SourceReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := map[string]SourceReport{}
	for key, src := range s.sources {
		report[key] = src.SourceReport
	}
	return report
}

func (s *Store) rebuild() {
	byNamespace := map[string][]Behaviour{}
	for _, key := range sortedKeys(s.sources) {
		src := s.sources[key]
		byNamespace[src.namespace] = append(byNamespace[src.namespace], src.entries...)
	}
	s.current.Store(newCatalogue(byNamespace))
}
