package nodes

import (
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestTheProxyForwardsToReadyPodsOnly(t *testing.T) {
	_, pod, _ := serve(t, "", &RequestLog{})
	pod.Labels = map[string]string{"app": "web"}
	pod.Status.PodIP = "127.251.7.1"
	services, err := loopbackRange("service-cidr", "127.252.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	proxy := NewProxy(services)
	service := &v1.Service{Spec: v1.ServiceSpec{
		ClusterIP: "127.252.7.1", Selector: map[string]string{"app": "web"},
		Ports: []v1.ServicePort{{Port: 18000, TargetPort: intstr.Parse("http")}},
	}}
	t.Cleanup(func() { proxy.Sync("shop/web", nil, nil) })
	get := func() error {
		client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get("http://127.252.7.1:18000/")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.Header.Get("X-Pod") != "web" {
			return errors.New("another answered")
		}
		return nil
	}
	ready := func(status v1.ConditionStatus) []*v1.Pod {
		pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: status}}
		return []*v1.Pod{pod}
	}
	proxy.Sync("shop/web", service, ready(v1.ConditionTrue))
	if err := get(); err != nil {
		t.Errorf("through the cluster IP: %v", err)
	}
	proxy.Sync("shop/web", service, ready(v1.ConditionFalse))
	if err := get(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without a ready pod: %v", err)
	}
	for name, spoil := range map[string]func(*v1.Pod, *v1.Service){
		"terminating": func(p *v1.Pod, _ *v1.Service) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} },
		"forged":      func(p *v1.Pod, _ *v1.Service) { p.Annotations = map[string]string{forgeAnnotation: "127.0.0.1"} },
		"other label": func(p *v1.Pod, _ *v1.Service) { p.Labels = nil },
		"no selector": func(_ *v1.Pod, s *v1.Service) { s.Spec.Selector = nil },
		"headless":    func(_ *v1.Pod, s *v1.Service) { s.Spec.ClusterIP = v1.ClusterIPNone },
	} {
		p, s := ready(v1.ConditionTrue)[0].DeepCopy(), service.DeepCopy()
		spoil(p, s)
		proxy.Sync("shop/web", s, []*v1.Pod{p})
		if err := get(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
