# A static binary and a CA bundle, nothing else: no shell, no package manager, no user database, and no base image to
# pull or to patch. `make image` builds both into target/image and then this.
FROM scratch
COPY tidegate /tidegate
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/tidegate"]
CMD ["run"]
