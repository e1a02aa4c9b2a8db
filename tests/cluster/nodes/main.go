package nodes

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// nodePort is where each node serves the request log, as a real kubelet serves its read-only port.
const nodePort = "10255"

type options struct {
	kubeconfig    string
	count         int
	pods, service netip.Prefix
	tempo         Tempo
}

// Main runs the simulated nodes until SIGTERM or SIGINT. It returns the exit code: 0, or 2 for bad arguments,
// or 1 when it could not start.
func Main(args []string) int {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nodes:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, o); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "nodes:", err)
		return 1
	}
	return 0
}

func parseOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet("nodes", flag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "file with the address and the credentials of the API server")
	flags.IntVar(&o.count, "count", 3, "number of nodes, 1 to 100")
	pods := flags.String("pod-cidr", "", "loopback range for pods and nodes, such as 127.20.0.0/16")
	services := flags.String("service-cidr", "", "the API server's range of cluster IPs, such as 127.64.0.0/16")
	scale := flags.Float64("time-scale", 1, "multiplies the kubelet's times; 1: as measured on a real one")
	if err = flags.Parse(args); err != nil {
		return o, err
	}
	if o.count < 1 || o.count > 100 {
		return o, fmt.Errorf("--count: %d is not between 1 and 100", o.count)
	}
	if *scale <= 0 || *scale > 10 {
		return o, fmt.Errorf("--time-scale: %v is not above 0 and at most 10", *scale)
	}
	o.tempo = Tempo(*scale)
	if o.pods, err = loopbackRange("pod-cidr", *pods); err != nil {
		return o, err
	}
	o.service, err = loopbackRange("service-cidr", *services)
	return o, err
}

func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 1000, 2000
	config.UserAgent = "tidegate-nodes"
	client, err := kubernetes.NewForConfig(protobuf(config))
	if err != nil {
		return err
	}
	hostIPs := map[string]string{}
	addresses := NewAddresses(o.pods)
	for n := 1; n <= o.count; n++ {
		hostIPs[fmt.Sprintf("node-%d", n)] = addresses.Node(n)
	}
	w := newWatch(client)
	log := &RequestLog{}
	kubelet := NewKubelet(client, w.pods.Lister(), log, addresses, hostIPs, o.tempo)
	if err := w.start(ctx, kubelet, NewProxy(o.service)); err != nil {
		return err
	}
	for _, name := range sortedKeys(hostIPs) {
		if err := serveNode(ctx, hostIPs[name], nodeAPI(log, kubelet.store)); err != nil {
			return err
		}
		if err := serveLogs(ctx, hostIPs[name], logsOf(w.pods.Lister(), kubelet.store)); err != nil {
			return err
		}
		if err := register(ctx, client, name, hostIPs[name]); err != nil {
			return err
		}
		go keepAlive(ctx, client, name)
	}
	kubelet.Run(ctx)
	return nil
}

func serveNode(ctx context.Context, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, nodePort))
	if err != nil {
		return fmt.Errorf("another cluster with this --pod-cidr is running: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

func protobuf(config *rest.Config) *rest.Config {
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return config
}
