package nodes

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
)

// forgeAnnotation makes the kubelet publish this address for a pod, without listening on it: a hostile pod.
const forgeAnnotation = "cluster.tidegate.dev/pod-ip"

const (
	podWorkers   = 8
	writeTimeout = 10 * time.Second
)

// Kubelet carries the pods of all simulated nodes: it asks Next, opens sockets, and writes statuses. One queue and
// its timers drive all pods; a pod at rest has neither a timer nor a goroutine, save those of its sockets.
type Kubelet struct {
	client    kubernetes.Interface
	pods      corelisters.PodLister
	store     *Store
	log       *RequestLog
	addresses *Addresses
	hostIPs   map[string]string // by node
	tempo     Tempo
	queue     workqueue.TypedRateLimitingInterface[string]

	mu     sync.Mutex
	states map[string]*podState // by namespace/name
}

// podState is used by one worker at a time.
type podState struct {
	uid     types.UID
	taken   string // the address to give back
	podIP   string
	memory  Memory
	written v1.PodStatus
	server  *podServer
	deleted bool
}

// NewKubelet shares the log and the addresses with whoever serves them.
func NewKubelet(client kubernetes.Interface, pods corelisters.PodLister, log *RequestLog, addresses *Addresses, hostIPs map[string]string, tempo Tempo) *Kubelet {
	k := &Kubelet{
		client: client, pods: pods, log: log, addresses: addresses, hostIPs: hostIPs, tempo: tempo,
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](20*time.Millisecond, 5*time.Second)),
		states: map[string]*podState{},
	}
	k.store = NewStore(k.wakeAll)
	return k
}

// Run works until the context ends.
func (k *Kubelet) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range podWorkers {
		workers.Go(func() {
			for k.work(ctx) {
			}
		})
	}
	<-ctx.Done()
	k.queue.ShutDown()
	workers.Wait()
}

// Enqueue asks for a look at one pod.
func (k *Kubelet) Enqueue(pod *v1.Pod) {
	if _, ours := k.hostIPs[pod.Spec.NodeName]; ours {
		k.queue.Add(pod.Namespace + "/" + pod.Name)
	}
}

func (k *Kubelet) wakeAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key := range k.states {
		k.queue.Add(key)
	}
}

func (k *Kubelet) work(ctx context.Context) bool {
	key, quit := k.queue.Get()
	if quit {
		return false
	}
	defer k.queue.Done(key)
	wake, err := k.sync(ctx, key)
	switch {
	case err != nil:
		slog.Warn("pod", "pod", key, "error", err)
		k.queue.AddRateLimited(key)
	default:
		k.queue.Forget(key)
		if !wake.IsZero() {
			k.queue.AddAfter(key, max(time.Until(wake), 0))
		}
	}
	return true
}

// sync makes one step for one pod and says when the next is due.
func (k *Kubelet) sync(ctx context.Context, key string) (time.Time, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return time.Time{}, err
	}
	pod, err := k.pods.Pods(namespace).Get(name)
	if err != nil || pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed {
		k.forget(key)
		if err == nil && pod.DeletionTimestamp != nil { // a pod that had ended when an earlier kubelet stopped
			err = k.delete(ctx, pod)
		}
		return time.Time{}, ignoreNotFound(err)
	}
	state, err := k.state(key, pod)
	if err != nil || state.deleted {
		return time.Time{}, err
	}
	step := Next(pod, state.memory, k.world(pod, state))
	state.memory = step.Memory
	state.server.sync(pod, state.memory)
	if !equality.Semantic.DeepEqual(state.written, step.Status) {
		if err := k.write(ctx, pod, step.Status); err != nil {
			return time.Time{}, ignoreNotFound(err)
		}
		state.written = step.Status
	}
	if step.Finished {
		if err := k.delete(ctx, pod); err != nil {
			return time.Time{}, ignoreNotFound(err)
		}
		state.deleted = true
	}
	return step.WakeAt, nil
}

// state finds what is remembered of a pod. A new pod under an old name starts anew.
func (k *Kubelet) state(key string, pod *v1.Pod) (*podState, error) {
	k.mu.Lock()
	state := k.states[key]
	k.mu.Unlock()
	if state != nil && state.uid == pod.UID {
		return state, nil
	}
	k.forget(key)
	state = &podState{uid: pod.UID}
	listen := ""
	switch forged := forgedIP(pod); {
	case forged != "":
		state.podIP = forged
	case pod.Spec.HostNetwork:
		state.podIP = k.hostIPs[pod.Spec.NodeName]
		listen = state.podIP
	default:
		ip, err := k.addresses.Take(pod.Status.PodIP)
		if err != nil {
			return nil, err
		}
		state.podIP, state.taken, listen = ip, ip, ip
	}
	state.server = &podServer{namespace: pod.Namespace, name: pod.Name, address: listen, catalogue: k.store.Catalogue, log: k.log}
	k.mu.Lock()
	k.states[key] = state
	k.mu.Unlock()
	return state, nil
}

func (k *Kubelet) forget(key string) {
	k.mu.Lock()
	state := k.states[key]
	delete(k.states, key)
	k.mu.Unlock()
	if state != nil {
		state.server.close()
		k.addresses.Release(state.taken)
	}
}

func (k *Kubelet) world(pod *v1.Pod, state *podState) World {
	now, catalogue := time.Now(), k.store.Catalogue()
	return World{
		Now: now, Tempo: k.tempo, HostIP: k.hostIPs[pod.Spec.NodeName], PodIP: state.podIP,
		Image: func(ref string) Behaviour { return catalogue.Lookup(pod.Namespace, ref) },
		Probe: func(c *v1.Container, startedAt, now time.Time) ProbeResult {
			return state.server.probe(pod, c, startedAt, now)
		},
	}
}

// write publishes a whole status in one request.
func (k *Kubelet) write(ctx context.Context, pod *v1.Pod, status v1.PodStatus) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	body, err := statusPatch(pod.UID, status)
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return nil
}

// delete removes a pod that has stopped.
func (k *Kubelet) delete(ctx context.Context, pod *v1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To(int64(0)), Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
	})
	if err != nil {
		return fmt.Errorf("delete the pod: %w", err)
	}
	return nil
}

func forgedIP(pod *v1.Pod) string { return pod.Annotations[forgeAnnotation] }

// ignoreNotFound also ignores a pod that was replaced by another of its name.
func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
