package nodes

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	healthyBody = `{"status":"healthy"}`
	brokenBody  = `{"status":"unhealthy"}`
)

// reply is what is sent for one request.
type reply struct {
	status    int
	body      string
	headers   map[string]string
	delay     time.Duration
	again     bool      // the next request can be answered otherwise
	changesAt time.Time // when the answer changes by itself; zero: it does not
}

// counts keeps how often each failFirst of a pod has failed.
type counts struct {
	mu    sync.Mutex
	given map[string]int
}

// take says whether this request still fails, and counts it.
func (c *counts) take(a Answer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.given == nil {
		c.given = map[string]int{}
	}
	key := fmt.Sprintf("%d %s %+v", a.Port, a.Path, *a.FailFirst)
	if c.given[key] >= a.FailFirst.Times {
		return false
	}
	c.given[key]++
	return true
}

// replyTo decides what a container that started at the given time says now.
func replyTo(a Answer, c *counts, startedAt, now time.Time) reply {
	r := reply{status: a.Status, body: a.Body, headers: a.Headers, delay: time.Duration(a.Delay)}
	if a.Redirect != "" {
		r.status = cmp.Or(r.status, http.StatusFound)
		r.headers = map[string]string{"Location": a.Redirect}
		for name, value := range a.Headers {
			r.headers[name] = value
		}
	}
	if bad := a.TurnsBad; bad != nil {
		if at := startedAt.Add(time.Duration(bad.After)); now.Before(at) {
			r.changesAt = at
		} else {
			r.status, r.body = cmp.Or(bad.Status, http.StatusServiceUnavailable), bad.Body
		}
	}
	if first := a.FailFirst; first != nil && c.take(a) {
		r.status, r.body, r.again = cmp.Or(first.Status, http.StatusServiceUnavailable), first.Body, true
	}
	r.status = cmp.Or(r.status, http.StatusOK)
	if r.body == "" {
		r.body = healthyBody
		if r.status >= 300 {
			r.body = brokenBody
		}
	}
	if a.Repeat > 1 {
		r.body = strings.Repeat(r.body, a.Repeat)
	}
	return r
}

// fill puts the pod's own names into a body.
func fill(body, image, pod string) string {
	if !strings.Contains(body, "${") {
		return body
	}
	tag := ""
	if n, err := parseImage(image); err == nil {
		tag = n.tag
	}
	return strings.NewReplacer("${image}", image, "${tag}", tag, "${pod}", pod).Replace(body)
}
