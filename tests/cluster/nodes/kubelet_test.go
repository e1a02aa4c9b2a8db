package nodes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/utils/ptr"
)

// A measured timeline: the time in seconds, at scale 1, of each change of the container's published state.
func TestTimelines(t *testing.T) {
	for _, c := range []struct {
		name      string
		catalogue string
		pod       func(*v1.Pod)
		seconds   float64
		want      []string
	}{
		{name: "good", seconds: 60, want: []string{"0.0 ContainerCreating Pending", "0.9 running ready Running"}},
		{name: "not found", catalogue: `[{image: "app:*", pull: {fail: notFound}}]`, seconds: 120, want: []string{
			"0.0 ContainerCreating Pending", "1.5 ErrImagePull Pending", "16.0 ImagePullBackOff Pending", "27.0 ErrImagePull Pending",
			"38.0 ImagePullBackOff Pending", "49.0 ErrImagePull Pending", "63.0 ImagePullBackOff Pending", "93.0 ErrImagePull Pending",
			"107.0 ImagePullBackOff Pending",
		}},
		{name: "flaky pull", catalogue: `[{image: "app:*", pull: {fail: transient, times: 2}}]`, seconds: 120, want: []string{
			"0.0 ContainerCreating Pending", "1.5 ErrImagePull Pending", "16.0 ImagePullBackOff Pending", "27.0 ErrImagePull Pending",
			"38.0 ImagePullBackOff Pending", "38.4 running ready Running",
		}},
		{name: "late pull", catalogue: `[{image: "app:*", pull: {delay: 30s}}]`, seconds: 120, want: []string{
			"0.0 ContainerCreating Pending", "30.9 running ready Running",
		}},
		{name: "hanging pull", catalogue: `[{image: "app:*", pull: {fail: never}}]`, seconds: 600, want: []string{"0.0 ContainerCreating Pending"}},
		{name: "invalid name", catalogue: `[{image: "app:*", pull: {fail: invalidName}}]`, seconds: 60, want: []string{
			"0.0 ContainerCreating Pending", "0.5 InvalidImageName Pending",
		}},
		{name: "crash at once", catalogue: `[{image: "app:*", run: {exitCode: 3}}]`, seconds: 50, want: []string{
			"0.0 ContainerCreating Pending", "1.9 terminated 3 Running",
			"2.3 running restarts=1 last=3 Running", "3.3 terminated 3 restarts=1 last=3 Running", "4.0 CrashLoopBackOff restarts=1 last=3 Running",
			"16.0 running restarts=2 last=3 Running", "17.0 terminated 3 restarts=2 last=3 Running", "17.7 CrashLoopBackOff restarts=2 last=3 Running",
			"44.0 running restarts=3 last=3 Running", "45.0 terminated 3 restarts=3 last=3 Running", "45.7 CrashLoopBackOff restarts=3 last=3 Running",
		}},
		{name: "out of memory after a while, once", catalogue: `[{image: "app:*", run: {oomKilled: true, after: 5s, times: 1}}]`, seconds: 60, want: []string{
			"0.0 ContainerCreating Pending", "0.9 running ready Running", "6.2 terminated 137 Running",
			"6.6 running ready restarts=1 last=137 Running",
		}},
		{name: "bad config", catalogue: `[{image: "app:*", start: {configError: 'secret "db" not found'}}]`, seconds: 60, want: []string{
			"0.0 ContainerCreating Pending", "0.9 CreateContainerConfigError Pending",
		}},
		{name: "late start, late ready", catalogue: `[{image: "app:*", start: {delay: 4s}, ready: {delay: 3s}}]`, seconds: 60, want: []string{
			"0.0 ContainerCreating Pending", "4.9 running Running", "7.9 running ready Running",
		}},
		{name: "never ready", catalogue: `[{image: "app:*", ready: {never: true}}]`, seconds: 600, want: []string{
			"0.0 ContainerCreating Pending", "0.9 running Running",
		}},
		{name: "job succeeds", pod: asJob(v1.RestartPolicyNever), seconds: 60, want: []string{
			"0.0 ContainerCreating Pending", "1.9 terminated 0 Succeeded",
		}},
		{name: "job fails", pod: asJob(v1.RestartPolicyNever), catalogue: `[{image: "app:*", run: {exitCode: 2, after: 1s}}]`, seconds: 60, want: []string{
			"0.0 ContainerCreating Pending", "0.9 running ready Running", "2.2 terminated 2 Failed",
		}},
		{name: "job fails once, then succeeds", pod: asJob(v1.RestartPolicyOnFailure), catalogue: `[{image: "app:*", run: {times: 1}}]`, seconds: 60, want: []string{
			"0.0 ContainerCreating Pending", "1.9 terminated 1 Running", "2.3 running restarts=1 last=1 Running",
			"3.3 terminated 0 restarts=1 last=1 Succeeded",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := testPod("app:v1")
			if c.pod != nil {
				c.pod(pod)
			}
			got := timeline(t, pod, c.catalogue, c.seconds)
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestConditionsKeepTheTimeOfTheirChange(t *testing.T) {
	s := play(t, testPod("app:v1"), `[{image: "app:*", ready: {delay: 9s}, run: {after: 19s, times: 1}}]`, 60, 1, nil).Status
	for _, c := range s.Conditions {
		want := map[v1.PodConditionType]float64{v1.PodInitialized: 0, v1.PodReadyToStartContainers: 0.5, v1.PodReady: 29.6, v1.ContainersReady: 29.6}[c.Type]
		if got := c.LastTransitionTime.Sub(epoch).Seconds(); c.Status != v1.ConditionTrue || got != want {
			t.Errorf("%s is %s since %v s, want True since %v s", c.Type, c.Status, got, want)
		}
	}
}

func TestMessagesAreContainerds(t *testing.T) {
	waitingFor := func(catalogue string, seconds float64) *v1.ContainerStateWaiting {
		return play(t, testPod("app:v1"), catalogue, seconds, 1, nil).Status.ContainerStatuses[0].State.Waiting
	}
	for _, c := range []struct {
		catalogue string
		seconds   float64
		want      string
	}{
		{`[{image: "app:*", pull: {fail: notFound}}]`, 2, `failed to pull and unpack image "docker.io/library/app:v1": failed to resolve image: docker.io/library/app:v1: not found`},
		{`[{image: "app:*", pull: {fail: notFound}}]`, 17, `Back-off pulling image "app:v1": ErrImagePull: failed to pull and unpack image "docker.io/library/app:v1": failed to resolve image: docker.io/library/app:v1: not found`},
		{`[{image: "app:*", pull: {fail: unauthorized}}]`, 2, `failed to pull and unpack image "docker.io/library/app:v1": failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`},
		{`[{image: "app:*", pull: {fail: transient}}]`, 2, `failed to pull and unpack image "docker.io/library/app:v1": failed to resolve image: failed to do request: Head "https://docker.io/v2/library/app/manifests/v1": dial tcp 192.0.2.10:443: i/o timeout`},
		{`[{image: "app:*", pull: {fail: transient, message: "503 Service Unavailable"}}]`, 2, `503 Service Unavailable`},
		{`[{image: "app:*", run: {}}]`, 5, `back-off 10s restarting failed container=app pod=web_shop(uid-1)`},
		{`[{image: "app:*", run: {}}]`, 18, `back-off 20s restarting failed container=app pod=web_shop(uid-1)`},
	} {
		if w := waitingFor(c.catalogue, c.seconds); w == nil || w.Message != c.want {
			t.Errorf("%s after %v s:\ngot  %v\nwant %s", c.catalogue, c.seconds, w, c.want)
		}
	}
}

func TestImageIdentity(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	for _, c := range []struct{ image, catalogue, wantImage, wantID string }{
		{"reg.example/shop/app:v2", `[{image: "reg.example/shop/app:*", digest: "` + digest + `", reportedImage: "reg.example/shop/app:v1"}]`, "reg.example/shop/app:v1", "reg.example/shop/app@" + digest},
		{"reg.example/shop/app@" + digest, ``, "reg.example/shop/app@" + digest, "reg.example/shop/app@" + digest},
		{"nginx", ``, "docker.io/library/nginx:latest", "docker.io/library/nginx@sha256:"},
	} {
		s := play(t, testPod(c.image), c.catalogue, 5, 1, nil).Status.ContainerStatuses[0]
		if s.Image != c.wantImage || !strings.HasPrefix(s.ImageID, c.wantID) || !strings.HasPrefix(s.ContainerID, "containerd://") || !*s.Started {
			t.Errorf("%s: image %q, imageID %q, containerID %q", c.image, s.Image, s.ImageID, s.ContainerID)
		}
	}
	s := play(t, testPod("app:v1"), `[{image: "app:v1", pull: {fail: notFound}}]`, 20, 1, nil).Status.ContainerStatuses[0]
	if s.ImageID != "" || s.ContainerID != "" || *s.Started {
		t.Errorf("a missing image bears an identity: %+v", s)
	}
}

func TestInitContainersAndSidecars(t *testing.T) {
	pod := testPod("app:v1")
	always := v1.ContainerRestartPolicyAlways
	pod.Spec.InitContainers = []v1.Container{
		{Name: "migrate", Image: "migrate:v1"},
		{Name: "mesh", Image: "mesh:v1", RestartPolicy: &always},
	}
	early := play(t, pod, "", 1, 1, nil).Status
	if early.Phase != v1.PodPending || early.ContainerStatuses[0].State.Waiting.Reason != "PodInitializing" || condition(early, v1.PodInitialized) != v1.ConditionFalse {
		t.Errorf("while the init container runs: %+v", early)
	}
	late := play(t, pod, "", 10, 1, nil).Status
	if late.Phase != v1.PodRunning || !late.InitContainerStatuses[0].Ready || late.InitContainerStatuses[0].State.Terminated == nil ||
		late.InitContainerStatuses[1].State.Running == nil || condition(late, v1.PodInitialized) != v1.ConditionTrue || condition(late, v1.PodReady) != v1.ConditionTrue {
		t.Errorf("after the init containers: %+v", late)
	}
	failing := play(t, pod, `[{image: "migrate:*", run: {exitCode: 1}}]`, 10, 1, nil).Status
	if failing.Phase != v1.PodPending || failing.InitContainerStatuses[0].State.Waiting.Reason != "CrashLoopBackOff" {
		t.Errorf("an init container that fails: %+v", failing)
	}
	asJob(v1.RestartPolicyNever)(pod)
	if s := play(t, pod, "", 10, 1, nil).Status; s.Phase != v1.PodSucceeded || s.InitContainerStatuses[1].State.Terminated == nil {
		t.Errorf("a Job's sidecar must end with it: %+v", s)
	}
	if s := play(t, pod, `[{image: "migrate:*", run: {exitCode: 1}}]`, 10, 1, nil).Status; s.Phase != v1.PodFailed {
		t.Errorf("a Job whose init container fails: %s", s.Phase)
	}
}

func TestStopping(t *testing.T) {
	for _, c := range []struct {
		name, catalogue string
		grace           int64
		wantSeconds     float64
		wantCode        int32
		wantPhase       v1.PodPhase
	}{
		{"ends on SIGTERM", "", 30, 0.5, 143, v1.PodFailed},
		{"ends late", `[{image: "app:*", stop: {delay: 8s}}]`, 30, 8, 143, v1.PodFailed},
		{"is killed", `[{image: "app:*", stop: {delay: 8s}}]`, 3, 3, 137, v1.PodFailed},
		{"never ran", `[{image: "app:*", pull: {fail: never}}]`, 30, 0, 137, v1.PodFailed},
	} {
		pod := testPod("app:v1")
		before := play(t, pod, c.catalogue, 10, 1, nil)
		asked := epoch.Add(10 * time.Second)
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = ptr.To(metav1.NewTime(asked)), &c.grace
		w := worldOf(t, pod, c.catalogue, 1)
		w.Now = asked
		step := Next(pod, before.Memory, w)
		if condition(step.Status, v1.PodReady) != v1.ConditionFalse {
			t.Errorf("%s: still ready", c.name)
		}
		for !step.Finished {
			w.Now = step.WakeAt
			step = Next(pod, step.Memory, w)
		}
		end := step.Status.ContainerStatuses[0].State.Terminated
		if took := w.Now.Sub(asked).Seconds(); took != c.wantSeconds || end == nil || end.ExitCode != c.wantCode || step.Status.Phase != c.wantPhase {
			t.Errorf("%s: after %v s %v %+v", c.name, took, step.Status.Phase, end)
		}
	}
}

func TestReadinessFollowsTheProbe(t *testing.T) {
	pod := testPod("app:v1")
	pod.Spec.Containers[0].ReadinessProbe = &v1.Probe{PeriodSeconds: 10, FailureThreshold: 3, SuccessThreshold: 1, TimeoutSeconds: 1}
	pod.Spec.Containers[0].ReadinessProbe.HTTPGet = &v1.HTTPGetAction{Path: "/ready"}
	bad := epoch.Add(100 * time.Second)
	asked := 0
	w := worldOf(t, pod, "", 1)
	w.Probe = func(_ *v1.Container, _, now time.Time) ProbeResult { // fails twice, then is fine until it turns bad
		asked++
		switch {
		case asked <= 2:
			return ProbeResult{Again: true}
		case now.Before(bad):
			return ProbeResult{OK: true, ChangesAt: bad}
		default:
			return ProbeResult{}
		}
	}
	var changes []string
	was := false
	playIn(w, pod, 300, func(now time.Time, s v1.PodStatus) {
		if ready := s.ContainerStatuses[0].Ready; ready != was {
			was = ready
			changes = append(changes, fmt.Sprintf("%.1f %v", now.Sub(epoch).Seconds(), ready))
		}
	})
	if want := []string{"20.9 true", "120.0 false"}; !slices.Equal(changes, want) || asked != 6 {
		t.Errorf("ready changed at %v, want %v; %d probes, want 6", changes, want, asked)
	}
}

func TestAChangeOfTheAnswersIsProbedAtOnce(t *testing.T) {
	pod := testPod("app:v1")
	pod.Spec.Containers[0].ReadinessProbe = &v1.Probe{PeriodSeconds: 10, FailureThreshold: 1}
	pod.Spec.Containers[0].ReadinessProbe.HTTPGet = &v1.HTTPGetAction{Path: "/ready"}
	rested := play(t, pod, "", 100, 1, nil)
	if !rested.WakeAt.IsZero() || !rested.Status.ContainerStatuses[0].Ready {
		t.Fatalf("a ready pod must rest: wakes at %v, %+v", rested.WakeAt, rested.Status.ContainerStatuses)
	}
	asked := 0
	next := func(catalogue string) bool {
		w := worldOf(t, pod, catalogue, 1)
		w.Now = epoch.Add(200 * time.Second)
		w.Probe = func(*v1.Container, time.Time, time.Time) ProbeResult { asked++; return ProbeResult{} }
		return Next(pod, rested.Memory, w).Status.ContainerStatuses[0].Ready
	}
	if ready := next(`[{image: "other:*", http: [{path: /, status: 503}]}]`); !ready || asked != 0 {
		t.Errorf("a change of another image: ready %v, %d probes", ready, asked)
	}
	if ready := next(`[{image: "app:*", http: [{path: /ready, status: 503}]}]`); ready || asked != 1 {
		t.Errorf("a change of this image: ready %v, %d probes", ready, asked)
	}
	if next(`[{image: "app:*", ready: {never: true}}]`) {
		t.Error("ready.never does not apply to a running pod")
	}
}

func TestAPatchTakesAwayWhatNoLongerApplies(t *testing.T) {
	early := play(t, testPod("app:v1"), "", 0.1, 1, nil).Status
	late := play(t, testPod("app:v1"), "", 5, 1, nil).Status
	merge := func(status v1.PodStatus, onto string) string {
		patch, err := statusPatch("uid-1", status)
		if err != nil {
			t.Fatal(err)
		}
		merged, err := strategicpatch.StrategicMergePatch([]byte(onto), patch, v1.Pod{})
		if err != nil {
			t.Fatal(err)
		}
		return string(merged)
	}
	before := merge(early, `{"metadata":{"uid":"uid-1"},"status":{"conditions":[{"type":"PodScheduled","status":"True"}]}}`)
	var after v1.Pod
	if err := json.Unmarshal([]byte(merge(late, before)), &after); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(before, "ContainersNotReady") || len(after.Status.Conditions) != 5 {
		t.Fatalf("before: %s\nafter: %+v", before, after.Status.Conditions)
	}
	for _, c := range after.Status.Conditions {
		if c.Status != v1.ConditionTrue || c.Reason != "" || c.Message != "" {
			t.Errorf("condition %+v", c)
		}
	}
	if s := after.Status.ContainerStatuses; len(s) != 1 || s[0].State.Waiting != nil || s[0].State.Running == nil {
		t.Errorf("containers %+v", s)
	}
}

func TestTimeScaleShortensTheKubeletOnly(t *testing.T) {
	at := func(catalogue string, scale Tempo) time.Duration {
		var ready time.Duration
		play(t, testPod("app:v1"), catalogue, 60, scale, func(now time.Time, s v1.PodStatus) {
			if ready == 0 && s.ContainerStatuses[0].Ready {
				ready = now.Sub(epoch)
			}
		})
		return ready
	}
	if got := at("", 0.1); got != 90*time.Millisecond {
		t.Errorf("a good pod is ready after %v", got)
	}
	if got := at(`[{image: "app:*", start: {delay: 4s}}]`, 0.1); got != 4090*time.Millisecond {
		t.Errorf("a duration of the catalogue was scaled: ready after %v", got)
	}
	if got := at("", 0.0001); got != 10*time.Millisecond {
		t.Errorf("the shortest time is not kept: ready after %v", got)
	}
}
