package nodes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// metricsPath is where a container tells Prometheus what it has answered, unless the catalogue has an answer for it.
const metricsPath = "/metrics"

// answered counts what one container has answered since its start, by status. Its own /metrics do not count.
type answered struct {
	mu       sync.Mutex
	byStatus map[int]int
}

func (a *answered) add(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byStatus == nil {
		a.byStatus = map[int]int{}
	}
	a.byStatus[status]++
}

// exposition is the text that Prometheus scrapes.
func (a *answered) exposition() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	b.WriteString("# HELP http_requests_total Requests answered, by status.\n# TYPE http_requests_total counter\n")
	for _, status := range slices.Sorted(maps.Keys(a.byStatus)) {
		fmt.Fprintf(&b, "http_requests_total{code=\"%d\"} %d\n", status, a.byStatus[status])
	}
	return b.String()
}
