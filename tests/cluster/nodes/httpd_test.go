package nodes

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// asked is what a client sees.
type asked struct {
	status int
	body   string
	header http.Header
}

// serve opens the sockets of a pod whose container runs, on the port after those that other tests use.
func serve(t *testing.T, catalogue string, log *RequestLog) (*podServer, *v1.Pod, Memory) {
	t.Helper()
	entries, err := parseCatalogue(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	c := newCatalogue(map[string][]Behaviour{"shop": entries})
	pod := testPod("app:v1")
	pod.Spec.Containers[0].Ports[0].ContainerPort = 18080
	memory := Memory{containers: map[string]container{"app": {alive: true, startedAt: time.Now()}}}
	s := &podServer{namespace: "shop", name: "web", address: "127.251.7.1", catalogue: func() *Catalogue { return c }, log: log}
	s.sync(pod, memory)
	t.Cleanup(s.close)
	return s, pod, memory
}

func ask(t *testing.T, path string) (asked, error) {
	t.Helper()
	client := &http.Client{
		Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequest("GET", "http://127.251.7.1:18080"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer secret-value")
	response, err := client.Do(request)
	if err != nil {
		return asked{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return asked{response.StatusCode, string(body), response.Header}, err
}

func TestAnswers(t *testing.T) {
	serve(t, `
- image: app:*
  http:
  - {path: /version, body: '{"tag":"${tag}","pod":"${pod}"}', headers: {X-Extra: "1"}}
  - {path: /down, status: 500}
  - {path: /api/*, status: 404, body: none}
  - {path: /api/users, body: users}
  - {path: /elsewhere, port: 9999, status: 500}
  - {path: /first, failFirst: {times: 2, status: 502, body: wait}}
  - {path: /later, turnsBad: {after: 300ms}}
  - {path: /moved, redirect: "http://169.254.169.254/"}
  - {path: /long, body: ab, repeat: 3}
  - {path: /slow, delay: 10s}
`, &RequestLog{})
	for _, row := range []struct {
		path   string
		status int
		body   string
	}{
		{"/anything", 200, healthyBody},
		{"/version", 200, `{"tag":"v1","pod":"web"}`},
		{"/down", 500, brokenBody},
		{"/api/other?q=1", 404, "none"},
		{"/api/users", 200, "users"},
		{"/elsewhere", 200, healthyBody},
		{"/first", 502, "wait"},
		{"/first", 502, "wait"},
		{"/first", 200, healthyBody},
		{"/later", 200, healthyBody},
		{"/moved", 302, brokenBody},
		{"/long", 200, "ababab"},
	} {
		got, err := ask(t, row.path)
		if err != nil || got.status != row.status || got.body != row.body {
			t.Errorf("%s: got %d %q %v, want %d %q", row.path, got.status, got.body, err, row.status, row.body)
		}
		if got.header.Get("X-Image") != "app:v1" || got.header.Get("X-Pod") != "web" {
			t.Errorf("%s: headers %v", row.path, got.header)
		}
	}
	if got, err := ask(t, "/moved"); err != nil || got.header.Get("Location") != "http://169.254.169.254/" {
		t.Errorf("redirect: %v %v", got.header, err)
	}
	if _, err := ask(t, "/slow"); err == nil {
		t.Error("/slow answered within the client's timeout")
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		got, err := ask(t, "/later")
		if err == nil && got.status == 503 && got.body == brokenBody {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/later never turned bad: %v %v", got, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestADeadContainerRefuses(t *testing.T) {
	s, pod, memory := serve(t, "", &RequestLog{})
	if _, err := ask(t, "/"); err != nil {
		t.Fatal(err)
	}
	s.sync(pod, Memory{})
	if _, err := ask(t, "/"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a container that is down: %v", err)
	}
	for range 100 { // the port must be free again as soon as it was closed
		s.sync(pod, memory)
		if len(s.containers["app"].sockets) != 1 {
			t.Fatal("the port could not be opened again")
		}
		s.sync(pod, Memory{})
	}
	s.sync(pod, memory)
	if _, err := ask(t, "/"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestRequestsAreLoggedWithoutHeaderValues(t *testing.T) {
	log := &RequestLog{}
	serve(t, "", log)
	if _, err := ask(t, "/healthz?deep=1"); err != nil {
		t.Fatal(err)
	}
	log.Add(Request{Namespace: "other"})
	recorder := httptest.NewRecorder()
	nodeAPI(log, NewStore(func() {})).ServeHTTP(recorder, httptest.NewRequest("GET", "/requests?namespace=shop", nil))
	text := recorder.Body.String()
	var r Request
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if r.Pod != "web" || r.Image != "app:v1" || r.Path != "/healthz?deep=1" || r.Host != "127.251.7.1:18080" || r.Status != 200 || r.Method != "GET" {
		t.Errorf("logged %+v", r)
	}
	if !strings.Contains(text, "Authorization") || strings.Contains(text, "secret-value") {
		t.Errorf("header names without values are expected: %s", text)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	log := &RequestLog{}
	for i := range keptRequests + 10 {
		log.Add(Request{Status: i})
	}
	all := log.Select(func(Request) bool { return true })
	if len(all) != keptRequests || all[0].Status != 10 || all[len(all)-1].Status != keptRequests+9 {
		t.Errorf("%d kept, from %d to %d", len(all), all[0].Status, all[len(all)-1].Status)
	}
}

func TestProbesSeeWhatRequestsSee(t *testing.T) {
	s, pod, memory := serve(t, `[{image: "app:*", http: [{path: /ready, failFirst: {times: 1}, turnsBad: {after: 1h}}, {path: /slow, delay: 2s}]}]`, &RequestLog{})
	spec := &pod.Spec.Containers[0]
	started := memory.containers["app"].startedAt
	probe := func(path, port string) ProbeResult {
		spec.ReadinessProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: path, Port: intstr.Parse(port)}}, TimeoutSeconds: 1}
		return s.probe(pod, spec, started, time.Now())
	}
	if r := probe("/ready", "http"); r.OK || !r.Again {
		t.Errorf("the first answer fails: %+v", r)
	}
	if r := probe("/ready", "http"); !r.OK || r.Again || !r.ChangesAt.Equal(started.Add(time.Hour)) {
		t.Errorf("the second answer is fine for an hour: %+v", r)
	}
	if r := probe("/slow", "18080"); r.OK {
		t.Errorf("an answer after the timeout: %+v", r)
	}
	if r := probe("/ready", "9"); r.OK {
		t.Errorf("a port that nobody serves: %+v", r)
	}
}
