package nodes

import (
	"context"
	"fmt"
	"maps"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// watch keeps one stream each of the bound pods, the services and the catalogue's ConfigMaps.
type watch struct {
	factories []informers.SharedInformerFactory
	pods      coreinformers.PodInformer
	services  coreinformers.ServiceInformer
	images    coreinformers.ConfigMapInformer
	changed   workqueue.TypedInterface[string] // services to look at
}

func newWatch(client kubernetes.Interface) *watch {
	factory := func(tweak func(*metav1.ListOptions)) informers.SharedInformerFactory {
		return informers.NewSharedInformerFactoryWithOptions(client, 0,
			informers.WithTweakListOptions(tweak), informers.WithTransform(withoutManagedFields))
	}
	bound := factory(func(o *metav1.ListOptions) { o.FieldSelector = "spec.nodeName!=" })
	all := factory(func(*metav1.ListOptions) {})
	labelled := factory(func(o *metav1.ListOptions) { o.LabelSelector = catalogueLabel + "=" + catalogueValue })
	return &watch{
		factories: []informers.SharedInformerFactory{bound, all, labelled},
		pods:      bound.Core().V1().Pods(),
		services:  all.Core().V1().Services(),
		images:    labelled.Core().V1().ConfigMaps(),
		changed:   workqueue.NewTyped[string](),
	}
}

// start connects the streams to the kubelet and the proxy, and returns once all were read for the first time.
func (w *watch) start(ctx context.Context, kubelet *Kubelet, proxy *Proxy) error {
	handlers := []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{w.images.Informer(), on(kubelet.store.Put, kubelet.store.Remove)},
		{w.services.Informer(), on(w.serviceChanged, w.serviceChanged)},
		{w.pods.Informer(), on(kubelet.Enqueue, kubelet.Enqueue)},
		{w.pods.Informer(), on(w.podChanged, w.podChanged)},
		{w.pods.Informer(), cache.ResourceEventHandlerFuncs{UpdateFunc: w.relabelled}},
	}
	for _, h := range handlers {
		if _, err := h.informer.AddEventHandler(h.handler); err != nil {
			return err
		}
	}
	for _, factory := range w.factories {
		factory.Start(ctx.Done())
	}
	deadline, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if !cache.WaitForCacheSync(deadline.Done(), w.images.Informer().HasSynced, w.services.Informer().HasSynced, w.pods.Informer().HasSynced) {
		return fmt.Errorf("the API server did not answer within 30 s")
	}
	go w.forwardServices(proxy)
	context.AfterFunc(ctx, w.changed.ShutDown)
	return nil
}

func (w *watch) forwardServices(proxy *Proxy) {
	for {
		key, quit := w.changed.Get()
		if quit {
			return
		}
		namespace, name, _ := cache.SplitMetaNamespaceKey(key)
		service, err := w.services.Lister().Services(namespace).Get(name)
		if err != nil {
			service = nil
		}
		pods, _ := w.pods.Lister().Pods(namespace).List(labels.Everything())
		proxy.Sync(key, service, pods)
		w.changed.Done(key)
	}
}

func (w *watch) serviceChanged(s *v1.Service) { w.changed.Add(s.Namespace + "/" + s.Name) }

// podChanged looks again at the services that select the pod.
func (w *watch) podChanged(pod *v1.Pod) {
	services, _ := w.services.Lister().Services(pod.Namespace).List(labels.Everything())
	for _, s := range services {
		if selects(s.Spec.Selector, pod.Labels) {
			w.serviceChanged(s)
		}
	}
}

// relabelled looks at the services that a pod has left.
func (w *watch) relabelled(before, after any) {
	old, wasPod := before.(*v1.Pod)
	if pod, isPod := after.(*v1.Pod); wasPod && isPod && !maps.Equal(old.Labels, pod.Labels) {
		w.podChanged(old)
	}
}

// on makes typed handlers: one for what is there, one for what is gone.
func on[T any](put, remove func(T)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if object, ok := o.(T); ok {
				put(object)
			}
		},
		UpdateFunc: func(_, o any) {
			if object, ok := o.(T); ok {
				put(object)
			}
		},
		DeleteFunc: func(o any) {
			if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			if object, ok := o.(T); ok {
				remove(object)
			}
		},
	}
}

func withoutManagedFields(o any) (any, error) {
	if object, err := meta.Accessor(o); err == nil {
		object.SetManagedFields(nil)
	}
	return o, nil
}
