package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// child is one component running as a process of its own.
type child struct {
	name string
	cmd  *exec.Cmd
	log  string        // path of the file that takes its output
	done chan struct{} // closed once it has ended and been reaped
}

// spawn executes this binary again as the personality name. The child dies with the calling thread (see runUp),
// and sits in a process group of its own so that Ctrl-C in a terminal reaches `up` alone, which then ends things in order.
func spawn(log, name string, args ...string) (*child, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command("/proc/self/exe", append([]string{name}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ch := &child{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the result is kept in cmd.ProcessState
		close(ch.done)
	}()
	return ch, nil
}

func (ch *child) terminate() { _ = ch.cmd.Process.Signal(syscall.SIGTERM) }
func (ch *child) kill()      { _ = ch.cmd.Process.Kill() }

// failure tells why a child that should have gone on has ended: its exit and the last lines of its log.
func (ch *child) failure() error {
	return fmt.Errorf("%s ended early (%s); end of %s:\n%s", ch.name, ch.cmd.ProcessState, ch.log, tail(ch.log, 20))
}

// tail returns the last n lines of a file, looking at no more than its last 16 KiB.
func tail(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 16 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(f, most)) // what could be read is what can be shown
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
