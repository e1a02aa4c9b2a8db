package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

const (
	// readyTimeout bounds the whole start; about 3 s is normal, a loaded machine takes longer.
	readyTimeout = 90 * time.Second
	// stopTimeout is how long children may take to end by themselves; nothing of value is lost when they are killed.
	stopTimeout = 800 * time.Millisecond
)

// errAsked is the cause of an ending that somebody asked for.
var errAsked = errors.New("asked to stop")

// runUp starts a cluster, says on stdout when it is ready, and holds it until it is told to end or a part of it dies.
func runUp(args []string) int {
	// Children die by Pdeathsig when the *thread* that started them ends, so this one must live as long as the process.
	runtime.LockOSThread()
	o, err := parseUp(args)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, end := context.WithCancelCause(context.Background())
	watchForEnd(o, end)
	c := newCluster(o, end)
	if err := c.start(ctx); err != nil {
		end(err)
	}
	<-ctx.Done()
	c.stop()
	if cause := context.Cause(ctx); !errors.Is(cause, errAsked) {
		fmt.Fprintln(os.Stderr, "cluster failed:", cause)
		return 1
	}
	return 0
}

// watchForEnd ends the cluster on a signal, on the end of the parent and, if asked, on the end of stdin.
//
// The parent is watched as a process, not with PR_SET_PDEATHSIG: that signal comes when the parent's *thread* ends,
// and test harnesses start clusters from threads that end with their test.
func watchForEnd(o upOptions, end context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-signals
		end(errAsked)
	}()
	if o.parentStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			end(errAsked)
		}()
	}
	if !o.outliveParent {
		parent := os.Getppid()
		go func() {
			for os.Getppid() == parent {
				time.Sleep(250 * time.Millisecond)
			}
			end(errAsked)
		}()
	}
}
