# A static binary and a CA bundle, nothing else: no shell, no package manager, no user database.
FROM rust:1.95-slim AS build
WORKDIR /src
COPY . .
# glibc linked statically: measured to run in an empty image. --target keeps the flag away from build scripts.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
    && cargo build --release --locked --bin tidegate --target "$target" \
    && install -D "target/$target/release/tidegate" /out/tidegate \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /out/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/tidegate"]
CMD ["run"]
