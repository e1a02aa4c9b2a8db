package nodes

import "testing"

func TestMetricsCountWhatWasAnswered(t *testing.T) {
	serve(t, `[{image: "app:v1", http: [{path: /broken, status: 500}]}]`, &RequestLog{})
	for _, path := range []string{"/", "/broken", "/", "/metrics", "/broken", "/"} {
		if _, err := ask(t, path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ask(t, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	want := "# HELP http_requests_total Requests answered, by status.\n# TYPE http_requests_total counter\n" +
		"http_requests_total{code=\"200\"} 3\nhttp_requests_total{code=\"500\"} 2\n"
	if got.body != want || got.status != 200 {
		t.Errorf("%d %q", got.status, got.body)
	}
}

func TestMetricsAreTheCataloguesIfItHasThem(t *testing.T) {
	serve(t, `[{image: "app:v1", http: [{path: /metrics, status: 404}]}]`, &RequestLog{})
	if got, err := ask(t, "/metrics"); err != nil || got.status != 404 {
		t.Errorf("%+v %v", got, err)
	}
}
