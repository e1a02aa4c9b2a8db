package nodes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// logPort is where each node answers the API server's questions for logs, as a real kubelet does.
const logPort = 10250

// logsOf answers GET /containerLogs/{namespace}/{pod}/{container} with what the catalogue says that the image says.
func logsOf(pods corelisters.PodLister, store *Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		namespace, container := r.PathValue("namespace"), r.PathValue("container")
		pod, err := pods.Pods(namespace).Get(r.PathValue("pod"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		image, started := imageOf(pod, container)
		if !started {
			http.Error(w, fmt.Sprintf("container %q in pod %q is waiting to start", container, pod.Name), http.StatusBadRequest)
			return
		}
		output := fill(store.Catalogue().Lookup(namespace, image).Output, image, pod.Name)
		_, _ = w.Write([]byte(shortened(output, r.URL.Query().Get("tailLines"), r.URL.Query().Get("limitBytes"))))
	})
	return mux
}

// imageOf is what a container runs, and whether it ever started.
func imageOf(pod *v1.Pod, container string) (string, bool) {
	image, started := "", false
	for _, c := range containersOf(pod) {
		if c.Name == container {
			image = c.Image
		}
	}
	for _, list := range [][]v1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, s := range list {
			started = started || (s.Name == container && s.ContainerID != "")
		}
	}
	return image, started && image != ""
}

// shortened is the end of a log as a kubelet gives it: the last lines first, then no more than so many bytes of them.
func shortened(text, tailLines, limitBytes string) string {
	if n, err := strconv.Atoi(tailLines); err == nil {
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		text = strings.Join(lines[max(0, len(lines)-n):], "")
	}
	if n, err := strconv.Atoi(limitBytes); err == nil && n < len(text) {
		text = text[:n]
	}
	return text
}

func serveLogs(ctx context.Context, address string, handler http.Handler) error {
	certificate, err := selfSigned(address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(logPort)))
	if err != nil {
		return fmt.Errorf("another cluster with this --pod-cidr is running: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

func selfSigned(address string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("creating a node's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("creating a node's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
