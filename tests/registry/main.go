// Command registry serves one image registry on loopback for tests: the registry itself is the distribution project's,
// with everything in memory. It ends when its standard input does.
//
//	registry 127.0.0.1:0 none|basic|token
//
// Its address is printed as one line. With basic and token, robot:s3cret may push and pull; with token anybody may pull
// what lies below public/.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"

	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

const (
	user     = "robot"
	password = "s3cret"
	service  = "registry"
	issuer   = "tests"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: registry ADDRESS none|basic|token")
	}
	logrus.SetOutput(io.Discard)
	host, _, err := net.SplitHostPort(args[0])
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	auth, err := access(args[1], host, dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	config := &configuration.Configuration{Auth: auth, Storage: configuration.Storage{"inmemory": nil}}
	config.HTTP.Secret = "of this process only"
	config.Catalog.MaxEntries = 100
	app := handlers.NewApp(context.Background(), config)
	go http.Serve(listener, app)
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// access says who may do what, in the registry's own configuration.
func access(kind, host, dir string) (configuration.Auth, error) {
	switch kind {
	case "none":
		return nil, nil
	case "basic":
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, "htpasswd")
		line := fmt.Sprintf("%s:%s\n", user, hash)
		return configuration.Auth{"htpasswd": {"realm": "tests", "path": file}}, os.WriteFile(file, []byte(line), 0o600)
	case "token":
		realm, keys, err := serveTokens(host, dir)
		options := configuration.Parameters{"realm": realm, "issuer": issuer, "service": service, "jwks": keys}
		return configuration.Auth{"token": options}, err
	default:
		return nil, fmt.Errorf("%q is not none, basic or token", kind)
	}
}
