package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Address ranges are 127.N.0.0/16 with N from rangeFirst to rangeLast. A running cluster owns one by listening
// at rangeLock in it; the kernel gives it back however the cluster ends.
const (
	rangeFirst = 64
	rangeLast  = 126
	rangeLock  = "127.%d.255.254:61999" // above the usual ephemeral ports
)

// claimRange takes a range of loopback addresses that no other running cluster uses, until the cluster ends.
func (c *cluster) claimRange() (string, error) {
	const count = rangeLast - rangeFirst + 1
	// Neighbours in time start at different numbers, so that connections left over from one never meet the next.
	offset := os.Getpid() * 2
	for i := range count {
		n := rangeFirst + (offset+i)%count
		l, err := net.Listen("tcp4", fmt.Sprintf(rangeLock, n))
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("claiming a range of loopback addresses: %w", err)
		}
		c.held = append(c.held, l.Close)
		return fmt.Sprintf("127.%d.0.0/16", n), nil
	}
	return "", fmt.Errorf("all of 127.%d.0.0/16 to 127.%d.0.0/16 are taken by running clusters", rangeFirst, rangeLast)
}

// reserve picks a free port on 127.0.0.1 and keeps it with a bound socket that never listens. The component that
// uses the port binds it a second time (SO_REUSEPORT), so nobody can take it in between.
func (c *cluster) reserve(scheme string) (*url.URL, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserving a port: %w", err)
	}
	c.held = append(c.held, func() error { return unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return nil, fmt.Errorf("reserving a port: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, fmt.Errorf("reserving a port: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("reserving a port: %w", err)
	}
	bound, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return nil, fmt.Errorf("reserving a port: bound to %T", name)
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(bound.Port))}, nil
}
