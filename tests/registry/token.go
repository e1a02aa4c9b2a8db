package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// serveTokens gives out tokens on a port of its own, which the registry verifies. It returns where, and the file
// with the key that they are verified by.
func serveTokens(host, dir string) (realm, keys string, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	key := jose.JSONWebKey{Key: private, KeyID: "tests", Algorithm: string(jose.EdDSA)}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", "", err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "tests", Algorithm: string(jose.EdDSA)}}}
	known, err := json.Marshal(set)
	if err != nil {
		return "", "", err
	}
	keys = filepath.Join(dir, "keys.json")
	if err := os.WriteFile(keys, known, 0o600); err != nil {
		return "", "", err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", "", err
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { give(w, r, signer) }))
	return "http://" + listener.Addr().String() + "/token", keys, nil
}

// give answers one request for a token: wrong credentials get none, and none get one for what is public.
func give(w http.ResponseWriter, r *http.Request, signer jose.Signer) {
	name, secret, given := r.BasicAuth()
	if given && (name != user || secret != password) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	actions := []*token.ResourceActions{}
	for _, scope := range r.URL.Query()["scope"] {
		parts := strings.Split(scope, ":")
		if len(parts) != 3 {
			continue
		}
		allowed := strings.Split(parts[2], ",")
		if !given && strings.HasPrefix(parts[1], "public/") {
			allowed = []string{"pull"}
		} else if !given {
			continue
		}
		actions = append(actions, &token.ResourceActions{Type: parts[0], Name: parts[1], Actions: allowed})
	}
	now := time.Now()
	claims := token.ClaimSet{
		Issuer: issuer, Subject: name, Audience: []string{service},
		Expiration: now.Add(time.Minute).Unix(), NotBefore: now.Unix(), IssuedAt: now.Unix(), Access: actions,
	}
	signed, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	json.NewEncoder(w).Encode(map[string]string{"token": signed})
}
