package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is the binary under test: called with a personality, it is that, so nothing is built here.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && personalities[os.Args[1]] != nil {
		os.Exit(dispatch(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestWorkloadRunsAndStdinEndsIt(t *testing.T) {
	t.Parallel()
	r := startUp(t, upCommand(t, "--parent-stdin", "--users=eve"))

	r.kubectl("create", "deployment", "web", "--image=example.com/web:1", "--replicas=2")
	r.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=30s")
	pods := r.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={range .items[*]}{.metadata.ownerReferences[0].kind} {.status.podIP}{'\\n'}{end}")
	prefix := strings.TrimSuffix(r.PodCIDR, "0.0/16")
	if got := strings.Count(pods, "ReplicaSet "+prefix); got != 2 {
		t.Errorf("want two pods of a ReplicaSet with addresses in %s, got %q", r.PodCIDR, pods)
	}
	r.kubectl("expose", "deployment", "web", "--port=80")
	service := r.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	if !strings.HasPrefix(service, strings.TrimSuffix(r.ServiceCIDR, "0.0/16")) {
		t.Errorf("cluster IP %s is not in %s", service, r.ServiceCIDR)
	}
	if out, err := r.tryKubectl("get", "pods", "--context=eve"); err == nil || !strings.Contains(out, `User "eve" cannot list`) {
		t.Errorf("eve has no rights, but got %v: %s", err, out)
	}
	r.wantAudited(func(e auditEvent) bool {
		return e.User.Username == "admin" && e.Verb == "create" && e.ObjectRef.Resource == "deployments" &&
			e.ResponseStatus.Code == 201 && strings.Contains(string(e.RequestObject), "example.com/web:1")
	})
	r.wantHistory()

	_ = r.stdin.Close()
	r.wantEnd(0)
	r.wantNoProcess()
}

func TestKilledUpLeavesNothing(t *testing.T) {
	t.Parallel()
	a := startUp(t, upCommand(t))
	b := startUp(t, upCommand(t)) // beside the first
	if a.ServiceCIDR == b.ServiceCIDR || a.PodCIDR == b.PodCIDR || a.ServiceCIDR == a.PodCIDR || a.Server == b.Server {
		t.Errorf("two clusters share an address:\n%+v\n%+v", a.description, b.description)
	}
	_ = a.cmd.Process.Kill()
	a.wantNoProcess()
	b.kubectl("get", "--raw=/readyz") // not touched by the end of the other
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	b.wantEnd(0)
	b.wantNoProcess()
}

func TestDeathOfAComponentIsTold(t *testing.T) {
	t.Parallel()
	r := startUp(t, upCommand(t))
	_ = syscall.Kill(r.Pids["kube-scheduler"], syscall.SIGKILL)
	r.wantEnd(1)
	for _, want := range []string{"kube-scheduler ended early", "signal: killed", "Starting Kubernetes Scheduler"} {
		if !strings.Contains(r.stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	r.wantNoProcess()
}

func TestEndsWithItsParent(t *testing.T) {
	t.Parallel()
	up := upCommand(t)
	// A shell stands between; the semicolon keeps it from becoming `up` by exec.
	cmd := exec.Command("sh", append([]string{"-c", `"$0" "$@"; exit $?`}, up.Args...)...)
	r := startUp(t, cmd)
	_ = cmd.Process.Kill()
	r.wantNoProcess()
}

// running is a cluster under test.
type running struct {
	*testing.T
	description
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr *bytes.Buffer
	ended  chan error
}

// auditEvent is what the tests read of a line of the audit log.
type auditEvent struct {
	Verb           string
	User           struct{ Username string }
	ObjectRef      struct{ Resource string }
	ResponseStatus struct{ Code int }
	RequestObject  json.RawMessage
}

func upCommand(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(self, append([]string{"up", t.TempDir() + "/c"}, flags...)...)
}

// startUp runs cmd and returns when it has printed the description of its cluster.
func startUp(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{T: t, cmd: cmd, stderr: &bytes.Buffer{}, ended: make(chan error, 1)}
	cmd.Stderr = r.stderr
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if r.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // all of it, should the test find that it does not end as it ought to
		_ = cmd.Process.Kill()
		for _, pid := range r.Pids {
			if alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	stuck := time.AfterFunc(readyTimeout, func() { _ = cmd.Process.Kill() })
	line, _ := bufio.NewReader(out).ReadBytes('\n')
	stuck.Stop()
	go func() { r.ended <- cmd.Wait() }()
	if err := json.Unmarshal(line, &r.description); err != nil {
		_ = cmd.Process.Kill()
		<-r.ended
		t.Fatalf("no description on stdout but %q (%v); stderr:\n%s", line, err, r.stderr)
	}
	t.Logf("ready after %s", time.Since(begun).Round(time.Millisecond))
	kept, err := os.ReadFile(r.Dir + "/cluster.json")
	if err != nil || !bytes.Equal(kept, line) {
		t.Errorf("cluster.json (%v) is not what was printed: %s", err, kept)
	}
	return r
}

func (r *running) tryKubectl(args ...string) (string, error) {
	cmd := exec.Command("/proc/self/exe", append([]string{"kubectl", "--kubeconfig", r.Kubeconfig}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *running) kubectl(args ...string) string {
	r.Helper()
	out, err := r.tryKubectl(args...)
	if err != nil {
		r.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return out
}

// wantAudited waits until the audit log has an event of the wanted kind: it is written after the answer is sent.
func (r *running) wantAudited(want func(auditEvent) bool) {
	r.Helper()
	r.within(3*time.Second, "the audit log has no such event", func() bool {
		log, err := os.ReadFile(r.AuditLog)
		if err != nil {
			r.Fatal(err)
		}
		for line := range bytes.Lines(log) {
			var e auditEvent
			if json.Unmarshal(line, &e) == nil && want(e) {
				return true
			}
		}
		return false
	})
}

// wantHistory deletes the Deployment web and reads all that it ever was, in order, and nothing of other namespaces.
func (r *running) wantHistory() {
	r.Helper()
	r.kubectl("delete", "deployment", "web", "--cascade=orphan")
	answer, err := http.Get(r.History + "?namespace=default")
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	var events []string
	last := int64(0)
	for lines := json.NewDecoder(answer.Body); lines.More(); {
		var v stored
		if err := lines.Decode(&v); err != nil {
			r.Fatal(err)
		}
		if v.Revision < last {
			r.Errorf("revision %d after %d", v.Revision, last)
		}
		last = v.Revision
		if strings.Contains(v.Key, "kube-system") {
			r.Errorf("nobody asked for %s", v.Key)
		}
		if v.Key == "deployments/default/web" {
			events = append(events, v.Event)
			if v.Event == "put" && !strings.Contains(string(v.Value), `"image":"example.com/web:1"`) {
				r.Errorf("revision %d holds %s", v.Revision, v.Value)
			}
		}
	}
	if n := len(events); n < 3 || events[0] != "put" || events[n-1] != "delete" {
		r.Errorf("want the Deployment from its first version to its deletion, got %v", events)
	}
}

func (r *running) wantEnd(code int) {
	r.Helper()
	select {
	case err := <-r.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) || r.cmd.ProcessState.ExitCode() != code {
			r.Errorf("up ended with %v, want exit code %d; stderr:\n%s", err, code, r.stderr)
		}
	case <-time.After(3 * time.Second):
		r.Errorf("up still runs 3 s after it should have ended")
	}
}

// wantNoProcess waits until every process of the cluster is gone and its server does not answer.
func (r *running) wantNoProcess() {
	r.Helper()
	if len(r.Pids) != 5 {
		r.Errorf("want 5 processes in the description, got %v", r.Pids)
	}
	left := ""
	r.within(3*time.Second, "processes are left", func() bool {
		left = ""
		for name, pid := range r.Pids {
			if alive(pid) {
				left += fmt.Sprintf(" %s (%d)", name, pid)
			}
		}
		return left == ""
	})
	if _, err := http.Get(r.Etcd + "/version"); err == nil {
		r.Error("etcd still answers")
	}
}

// within waits for a condition with a bound.
func (r *running) within(bound time.Duration, complaint string, met func() bool) {
	r.Helper()
	for end := time.Now().Add(bound); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("after %s: %s", bound, complaint)
		}
	}
}

// alive is false for zombies too: those have ended, whoever should reap them.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(rest, []byte("Z")) && !bytes.HasPrefix(rest, []byte("X"))
}
