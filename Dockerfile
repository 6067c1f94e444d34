# A slim image with the executable alone: scripts/compile x86_64-unknown-linux-gnu && docker build --tag empusa .
#
#   docker run --read-only --rm empusa --help
ARG TARGET=x86_64-unknown-linux-gnu

FROM debian:stable-slim AS cache
ARG TARGET
COPY dist/empusa-*-${TARGET}/empusa /usr/local/bin/empusa
# The runtime keeps compiled code in TMPDIR when a program ends. A try that fails has loaded all that others need.
RUN mkdir /cache && for i in 1 2; do \
    TMPDIR=/cache empusa --etcd-endpoint 127.0.0.1:1 --tree-root / --timeout 0.1 service list; \
    done; test -s /cache/deno-compile-empusa.cache

FROM debian:stable-slim
COPY --from=cache /usr/local/bin/empusa /usr/local/bin/empusa
COPY --from=cache --chmod=444 /cache/deno-compile-empusa.cache /var/cache/empusa/
ENV TMPDIR=/var/cache/empusa
USER 65532:65532
ENTRYPOINT ["empusa"]
CMD ["--help"]
